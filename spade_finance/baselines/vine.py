# SPDX-License-Identifier: Apache-2.0
r"""Regular vine copula a regime, by skfolio: the best cross-section that money can buy, and no memory.

.. math:: r_t \mid k_t = k \;\sim\; C_k\bigl(F_{k,1}, \dots, F_{k,S}\bigr), \qquad \text{independent over days}

A vine factors a joint density into bivariate copulas, each of its own family (Gaussian, Student-t, Clayton, Gumbel,
Joe and their rotations), so every pair has tails of its own (Bedford & Cooke 2002; Dissmann et al. 2013 for the
choice of the trees). Margins: the best of Gaussian, Student-t and Johnson SU. Both chosen by AIC
(``skfolio.distribution.VineCopula``). Needs the extra: ``pip install "spade-finance[vine]"``.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.slow_scale import RegimeMoments
from spade_finance.exceptions import InputError, RareRegimeWarning

EXTREME = 1.0
"""Log returns are held within this: a fitted margin's far tail may reach beyond a total loss."""


class RegimeVine(Baseline):
    """Per-regime vine copula, independent over days given the labels.

    Parameters
    ----------
    max_depth : int
        Trees of the vine that are fitted; beyond, pairs are conditionally independent.
    min_days_per_sector : float
        A regime with fewer training days per sector has the vine of all days, at its own means and volatilities.

    Attributes
    ----------
    vines_ : list of VineCopula or None
        One per regime, of its log returns in its own standard deviations; None where the regime never occurred.
    """

    name = "vine"
    vines_: list[Any]

    def __init__(self, max_depth: int = 4, min_days_per_sector: float = 20.0) -> None:
        self.max_depth = max_depth
        self.min_days_per_sector = min_days_per_sector

    def _fit(self) -> None:
        if len(self.sectors_) < 3:
            raise InputError(
                f"baseline vine got {len(self.sectors_)} sector(s): skfolio's vines need three; take regime_t"
            )
        n_regimes = len(self.regimes_)
        self.moments_ = RegimeMoments.fit(self.log_returns_, self.codes_, n_regimes)
        z = self.moments_.standardise(self.log_returns_, self.codes_)
        pooled: Any = None
        self.vines_ = []
        for k, regime in enumerate(self.regimes_):
            days = z[self.codes_ == k]
            if len(days) == 0:
                self.vines_.append(None)
            elif len(days) >= self.min_days_per_sector * len(self.sectors_):
                self.vines_.append(self._vine(days))
            else:
                pooled = pooled or self._vine(z)
                warnings.warn(
                    f"RegimeVine: regime {regime!r} has {len(days)} days for {len(self.sectors_)} sectors; it "
                    "takes the vine of all days",
                    RareRegimeWarning,
                    stacklevel=4,
                )
                self.vines_.append(pooled)

    def _vine(self, z: NDArray[np.float64]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the searches for families that are not taken
            return _vine_class()(max_depth=self.max_depth).fit(z)

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        wide = np.broadcast_to(codes, (n_paths, codes.shape[-1]))
        out = np.empty((*wide.shape, len(self.sectors_)), dtype=np.float32)
        for k in np.unique(wide):
            here = wide == k
            vine = self.vines_[int(k)]
            vine.random_state = int(rng.integers(2**31))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                z = np.asarray(vine.sample(int(here.sum())))
            out[here] = np.clip(self.moments_.mean[k] + self.moments_.std[k] * z, -EXTREME, EXTREME)
        return out


def _vine_class() -> Any:
    """``VineCopula``, or how to get it."""
    try:
        return importlib.import_module("skfolio.distribution").VineCopula
    except ImportError as error:
        raise InputError(
            'baseline vine needs skfolio, which is not installed: pip install "spade-finance[vine]"'
        ) from error
