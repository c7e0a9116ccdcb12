# SPDX-License-Identifier: Apache-2.0
r"""Regime-matched stationary block bootstrap: history, cut and pasted along the wanted timeline.

Politis & Romano (1994), "The stationary bootstrap", made conditional: after historical day d comes day d + 1
with probability :math:`1 - 1/b` **if** day d + 1 carries the wanted label; otherwise a day drawn uniformly
among all training days with that label. Blocks have mean length at most b days, keep the cross-section and
the volatility clustering inside a block exactly, and never use a day under a label it did not have.

The opponent to beat: exact marginals and dependence, no training. What it cannot do is anything that has not
happened.

``mean_block="auto"`` is the length of Politis & White (2004) with the correction of Patton, Politis & White (2009),
``arch.bootstrap.optimal_block_length``, for the stationary bootstrap: the mean over sectors of the lengths for their
regime-standardised sizes :math:`|z_t|`. Returns themselves are nearly uncorrelated and would ask for blocks of a day
or two, which is the right length for their mean and the wrong one for everything that clusters.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.slow_scale import RegimeMoments, slow_scale
from spade_finance.exceptions import InputError

CHUNK = 1000
"""Paths drawn together: many enough for numpy, few enough for the cache (10,000 at once is half as fast)."""


class BlockBootstrap(Baseline):
    """Regime-matched stationary block bootstrap.

    Parameters
    ----------
    mean_block : float or "auto"
        Mean block length in days, at least 1 (1 is the i.i.d. regime bootstrap); "auto" chooses it from the
        training days.
    scaled : bool
        Divide history by its causal slow volatility scale (:mod:`.slow_scale`) and multiply by the scale at
        the start of the scenario, constant along it.

    Attributes
    ----------
    mean_block_ : float
        Mean block length in use, days.

    Examples
    --------
    >>> scenarios = BlockBootstrap().fit(returns, labels).sample("bull:60,crisis:20", 1000, 0)  # doctest:
    +SKIP
    """

    def __init__(self, mean_block: float | Literal["auto"] = 25, scaled: bool = False) -> None:
        self.mean_block = mean_block
        self.scaled = scaled

    @property
    def name(self) -> str:  # type: ignore[override]
        """Registry name."""
        if self.scaled:
            return "block_bootstrap_scaled"
        own = {1: "iid_bootstrap", 10: "block_bootstrap_10", "auto": "block_bootstrap_auto"}
        return own.get(self.mean_block, "block_bootstrap")

    def settings(self) -> dict[str, Any]:
        """Constructor parameters, and the block length that "auto" chose."""
        return {**super().settings(), "mean_block_days": self.mean_block_}

    def _fit(self) -> None:
        self.mean_block_ = self._block_length()
        self.sampler_ = RegimeSampler(self.codes_, len(self.regimes_), self.mean_block_)
        self.moments_ = RegimeMoments.fit(self.log_returns_, self.codes_, len(self.regimes_))
        history = self.log_returns_
        if self.scaled:
            mean = self.moments_.mean[self.codes_]
            path = slow_scale(self.moments_.standardise(history, self.codes_))
            self.last_scale_ = path[-1]
            history = (history - mean) / path[:-1]
        self.pool_ = np.ascontiguousarray(history, dtype=np.float32)

    def _block_length(self) -> float:
        if self.mean_block == "auto":
            return optimal_block(self.log_returns_, self.codes_, len(self.regimes_))
        if isinstance(self.mean_block, str) or not np.isfinite(self.mean_block) or self.mean_block < 1:
            raise InputError(
                f"mean_block={self.mean_block!r} days is no block length: pass a number of at least 1, or "
                "'auto'"
            )
        return float(self.mean_block)

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        out = np.empty((n_paths, codes.shape[-1], len(self.sectors_)), dtype=np.float32)
        mean = self.moments_.mean.astype(np.float32)
        factor = scale.astype(np.float32)
        for first in range(0, n_paths, CHUNK):
            part = out[first : first + CHUNK]
            wanted = codes if codes.ndim == 1 else codes[first : first + CHUNK]
            days, _ = self.sampler_.draw(wanted, len(part), rng)
            # mode="clip" skips the bounds check (days are in range by construction) and the buffering of
            # `out`.
            np.take(self.pool_, days.T, axis=0, out=part, mode="clip")
            if self.scaled:
                part *= factor
                part += mean[wanted]
        return out


def optimal_block(log_returns: NDArray[np.float64], codes: CodeArray, n_regimes: int) -> float:
    """Mean block length (days, at least 1) that ``arch`` chooses for the regime-standardised sizes of returns.

    Parameters
    ----------
    log_returns : (days, sectors)
    codes : (days,)
    """
    from arch.bootstrap import optimal_block_length

    size = np.abs(RegimeMoments.fit(log_returns, codes, n_regimes).standardise(log_returns, codes))
    length = float(optimal_block_length(size)["stationary"].mean())
    return max(1.0, length) if np.isfinite(length) else 1.0


class RegimeSampler:
    """Draws training days along a timeline: the index part of the bootstrap, for any data with labels.

    Parameters
    ----------
    codes : (days,) int
        Label of each historical day.
    n_regimes : int
        Number of regimes K; codes lie in 0..K-1.
    mean_block : float
        Mean block length in days.
    """

    def __init__(self, codes: CodeArray, n_regimes: int, mean_block: float) -> None:
        pools = [np.flatnonzero(codes == k).astype(np.int32) for k in range(n_regimes)]
        self.jump_probability = 1.0 / mean_block
        self.pool = np.concatenate(pools)  # training days sorted by label
        self.size = np.array([len(p) for p in pools], dtype=np.int32)
        self.start = np.concatenate([[0], np.cumsum(self.size)[:-1]]).astype(np.int32)
        self.next_code = np.append(codes[1:], -1).astype(np.int8)  # after the last day nothing follows
        self.seam = np.stack([self.next_code != k for k in range(n_regimes)])

    def draw(
        self, wanted: CodeArray, n_paths: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Historical days for `n_paths` paths.

        Parameters
        ----------
        wanted : (days,) or (n_paths, days) int
            Wanted labels, each with at least one historical day.

        Returns
        -------
        days : (days, n_paths) int32
            Row numbers of history; time first, because the recursion runs over time.
        jumped : (days, n_paths) bool
            Whether a new block begins here.
        """
        n_days = wanted.shape[-1]
        days = np.empty((n_days, n_paths), dtype=np.int32)
        jumped = rng.random((n_days, n_paths), dtype=np.float32) < self.jump_probability
        jumped[0] = True
        current = np.zeros(n_paths, dtype=np.int32)
        for t in range(n_days):
            code = wanted[t] if wanted.ndim == 1 else wanted[:, t]
            if t:
                jumped[t] |= (
                    self.seam[code].take(current) if wanted.ndim == 1 else self.next_code[current] != code
                )
                current = current + 1
            new = np.flatnonzero(jumped[t])
            if len(new):
                k = code if wanted.ndim == 1 else code[new]
                offset = (rng.random(len(new)) * self.size[k]).astype(np.int32)
                current[new] = self.pool[self.start[k] + offset]
            days[t] = current
        return days, jumped
