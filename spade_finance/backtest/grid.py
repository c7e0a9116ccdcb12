# SPDX-License-Identifier: Apache-2.0
"""A grid of variants, and how much of the best one's record is choosing: on every path and on the real history."""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from spade_finance.backtest import overfitting as stats
from spade_finance.backtest.measures import YEAR, Array, shown
from spade_finance.exceptions import InputError

MOST_VARIANTS = 200
CSCV_PATHS = 200
SPA_PATHS = 24
"""Paths that the slower statistics are computed on; the first ones."""
SPA_DRAWS_PATHS = 299
SIGNIFICANT = 0.95

__all__ = ["Overfitting", "assess", "parse_grid", "variant_name"]


def parse_grid(grid: str | Path | Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of a grid's values, the last name varying fastest.

    Parameters
    ----------
    grid : str, Path or mapping
        ``"lookback=20,60,120;top=2,3"``, a ``.toml`` or ``.json`` file of names and lists, or such a mapping.

    Returns
    -------
    list of dict
        One a variant: name -> value (int, float, bool or text).

    Raises
    ------
    InputError
        On a grid that cannot be read, empty lists, fewer than 2 variants or more than 200.
    """
    table = dict(grid) if isinstance(grid, Mapping) else _read(str(grid))
    axes: dict[str, list[Any]] = {}
    for name, values in table.items():
        found = list(values) if isinstance(values, list | tuple) else [values]
        if not str(name).isidentifier():
            raise InputError(f"grid: {name!r} is no name of an option: write such as lookback=20,60;top=2,3")
        if not found or any(isinstance(v, Mapping | list | tuple) or v is None for v in found):
            raise InputError(f"grid: {name} has no plain values: write such as {name}=20,60,120")
        if len({repr(v) for v in found}) < len(found):
            raise InputError(f"grid: {name} names a value twice: {', '.join(map(str, found))}")
        axes[str(name)] = found
    count = math.prod(len(values) for values in axes.values())
    if not 2 <= count <= MOST_VARIANTS:
        raise InputError(
            f"grid has {count} variant{'' if count == 1 else 's'}: give from 2 to {MOST_VARIANTS}, such as "
            "lookback=20,60,120;top=2,3"
        )
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def variant_name(options: Mapping[str, Any]) -> str:
    """``lookback=20 top=2``."""
    return " ".join(f"{name}={value}" for name, value in options.items())


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What choosing the best of N variants does, over paths and on the real history.

    Attributes
    ----------
    variants : tuple of N str
    what : str
        What the variants are, for the report: a grid of options, or the strategies compared.
    sharpe : (m, N) float64
        Annual Sharpe ratio of every variant on every path.
    paths : DataFrame
        One row a path: ``best`` (variant), ``best_sharpe`` (annual), ``deflated``, ``probabilistic``,
        ``effective_trials``, ``pbo``, ``loss_after`` (the choice loses out of sample), ``spa``,
        ``reality_check``, ``spa_market``, ``track_days`` (minimum track record); NaN where a path was not looked at.
    real : dict or None
        The same for the real history, with ``sharpe`` (N,) and ``days``.
    span : str
        The real history's dates.
    backtest_years : float
        Years below which as many trials without skill are expected to show the real (else median) best Sharpe.
    notes : tuple of str
    """

    variants: tuple[str, ...]
    what: str
    sharpe: Array
    paths: pd.DataFrame
    real: dict[str, Any] | None
    span: str
    backtest_years: float
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Each statistic: mean over paths with standard error, median, 5 % and 95 % quantile, real."""
        rows = []
        for name, title in TITLES.items():
            values = self.paths[name].to_numpy(dtype=np.float64)
            known = values[np.isfinite(values)]
            real = float("nan") if self.real is None else float(self.real[name])
            if not len(known) and not np.isfinite(real):
                continue
            low, middle, high = np.quantile(known, [0.05, 0.5, 0.95]) if len(known) else [np.nan] * 3
            rows.append(
                {
                    "statistic": name,
                    "title": title,
                    "mean": float(known.mean()) if len(known) else np.nan,
                    "std_error": float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else np.nan,
                    "p05": float(low),
                    "p50": float(middle),
                    "p95": float(high),
                    "real": real,
                    "n_paths": len(known),
                    "n_infinite": int(np.isinf(values).sum()),
                }
            )
        return pd.DataFrame(rows)

    def chosen(self) -> pd.Series:
        """Share of paths on which each variant is the best, most frequent first."""
        return self.paths["best"].value_counts(normalize=True)

    def mean_sharpe(self) -> tuple[Array, Array]:
        """Mean annual Sharpe ratio of every variant over paths, and its standard error, (N,) each."""
        known = np.isfinite(self.sharpe)
        count = known.sum(axis=0)
        filled = np.where(known, self.sharpe, 0.0)
        mean = np.where(count > 0, filled.sum(axis=0) / np.maximum(count, 1), np.nan)
        squares = (np.where(known, self.sharpe - mean, 0.0) ** 2).sum(axis=0)
        error = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
        return mean, np.where(count > 1, error, np.nan)

    def verdict(self) -> str:
        """One sentence for the terminal."""
        rows = {row["statistic"]: row for row in self.table.to_dict("records")}

        def real(name: str) -> str:
            value = rows[name]["real"]
            return f" (real {shown(value, 'ratio')})" if np.isfinite(value) else ""

        parts = []
        if "pbo" in rows:
            mean, error = rows["pbo"]["mean"], rows["pbo"]["std_error"]
            parts.append(
                f"probability of overfitting {shown(mean, 'ratio')} ± {shown(error, 'ratio')}{real('pbo')}"
            )
        if "deflated" in rows:
            share = float((self.paths["deflated"] > SIGNIFICANT).mean())
            parts.append(
                f"deflated Sharpe ratio of the best above {SIGNIFICANT} on {shown(share, 'percent', 0)} % of "
                f"paths{real('deflated')}"
            )
        return (
            f"choosing among {len(self.variants)} ({self.what}): {', '.join(parts) or 'nothing can be said'}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the report's JSON."""
        return {
            "what": self.what,
            "variants": list(self.variants),
            "n_paths": len(self.paths),
            "rows": self.table.to_dict("records"),
            "chosen": self.chosen().to_dict(),
            "mean_sharpe": dict(zip(self.variants, self.mean_sharpe()[0].tolist(), strict=True)),
            "real": self.real,
            "real_span": self.span,
            "minimum_backtest_years": self.backtest_years,
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"Overfitting: {self.verdict()}\n{self.table.drop(columns='title').round(3).to_string(index=False)}"


TITLES = {
    "best_sharpe": "annual Sharpe ratio of the best variant",
    "probabilistic": "probabilistic Sharpe ratio, as if it had been the only one",
    "deflated": "deflated Sharpe ratio, the choice considered",
    "effective_trials": "independent trials that the variants amount to",
    "pbo": "probability of backtest overfitting (PBO)",
    "loss_after": "probability that the choice loses out of sample",
    "spa": "superior predictive ability over cash, p-value (Hansen)",
    "reality_check": "reality check over cash, p-value (White)",
    "spa_market": "superior ability over the equal-weight market, p-value (Hansen)",
    "track_days": "minimum track record, days",
}


def assess(
    returns: ArrayLike,
    variants: Sequence[str],
    real: pd.DataFrame | None = None,
    *,
    market: ArrayLike | None = None,
    real_market: ArrayLike | None = None,
    what: str = "grid",
    cscv_paths: int = CSCV_PATHS,
    spa_paths: int = SPA_PATHS,
    random_state: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Overfitting:
    """Judge the choice of the best variant by Sharpe ratio.

    Parameters
    ----------
    returns : (m, T, N)
        Daily net simple returns of N variants on m common paths.
    variants : N str
    real : DataFrame (D, N), optional
        The variants over the real history.
    market, real_market : (m, T), (D,), optional
        Daily net returns of the equal-weight market, a harder benchmark than cash.
    what : str
        What the variants are, for the report.
    cscv_paths, spa_paths : int
        Number of (first) paths for PBO and for the bootstrap tests.
    random_state : int
        Seed of the bootstrap.
    progress : callable, optional
        Called with (paths done, paths in all).

    Raises
    ------
    InputError
        If shapes disagree or there are fewer than 2 variants.
    """
    cube = np.asarray(returns)
    if cube.ndim != 3 or cube.shape[2] != len(variants) or len(variants) < 2 or not len(cube):
        raise InputError(
            f"returns has shape {cube.shape} for {len(variants)} variants: pass (paths, days, variants) with at "
            "least 2 variants"
        )
    n_days = cube.shape[1]
    notes = []
    blocks = _blocks(n_days)
    if blocks < 4:
        notes.append(f"paths of {n_days} days are too short for the probability of overfitting")
    bench = None if market is None else np.asarray(market, dtype=np.float64)
    rows, sharpe = [], np.full((len(cube), len(variants)), np.nan)
    for i, path in enumerate(cube):
        values = path.astype(np.float64)
        row, sharpe[i] = _judge(
            values, variants, blocks if i < cscv_paths else 0,
            SPA_DRAWS_PATHS if i < spa_paths else 0, random_state + i,
            None if bench is None else bench[i],
        )  # fmt: skip
        rows.append(row)
        if progress is not None:
            progress(i + 1, len(cube))
    found, span = None, ""
    if real is not None:
        values = real.to_numpy(dtype=np.float64)
        found, ratios = _judge(
            values,
            variants,
            _blocks(len(values)),
            stats.SPA_DRAWS,
            random_state,
            None if real_market is None else np.asarray(real_market, dtype=np.float64),
        )
        found |= {"sharpe": ratios.tolist(), "days": len(values)}
        span = f"{real.index[0]:%Y-%m-%d} to {real.index[-1]:%Y-%m-%d}"
    paths = pd.DataFrame(rows)
    best = found["best_sharpe"] if found is not None else float(paths["best_sharpe"].median())
    years = stats.minimum_backtest_years(len(variants), best) if np.isfinite(best) else float("nan")
    return Overfitting(tuple(variants), what, sharpe, paths, found, span, years, tuple(notes))


def _judge(
    values: Array, variants: Sequence[str], blocks: int, draws: int, seed: int, market: Array | None
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Statistics of one history (T, N), and the annual Sharpe ratios (N,)."""
    sharpe, skew, kurtosis = stats.moments(values)
    annual = sharpe * np.sqrt(YEAR)
    row: dict[str, Any] = dict.fromkeys(TITLES, float("nan")) | {"best": ""}
    moving = np.isfinite(sharpe)
    if not moving.any():
        return row, annual
    i = int(np.nanargmax(sharpe))
    row |= {
        "best": variants[i],
        "best_sharpe": float(annual[i]),
        "probabilistic": float(stats.probabilistic_sharpe(sharpe[i], len(values), skew[i], kurtosis[i])),
        "deflated": stats.deflated_sharpe(values, i) if moving.sum() > 1 else float("nan"),
        "effective_trials": stats.effective_trials(values),
        "track_days": float(stats.minimum_track_record(sharpe[i], skew[i], kurtosis[i])),
    }
    if blocks >= 4:
        result = stats.cscv(values, blocks)
        row |= {"pbo": result.pbo, "loss_after": result.probability_of_loss}
    if draws:
        ability = stats.superior_ability(values, n_draws=draws, random_state=seed)
        row |= {"spa": ability.spa, "reality_check": ability.reality_check}
        if market is not None:
            row["spa_market"] = stats.superior_ability(
                values, market, n_draws=draws, random_state=seed, plain=False
            ).spa
    return row, annual


def _blocks(n_days: int) -> int:
    """Blocks of the cross-validation: 16, fewer where blocks would be shorter than three weeks."""
    return min(stats.N_BLOCKS, n_days // 15 // 2 * 2)


def _read(text: str) -> dict[str, Any]:
    """A grid written out, or in a file."""
    path = Path(text)
    if path.suffix in (".toml", ".json"):
        try:
            body = path.read_text(encoding="utf-8")
            table = tomllib.loads(body) if path.suffix == ".toml" else json.loads(body)
        except OSError as error:
            raise InputError(f"grid {text}: {error.strerror or error}") from None
        except (ValueError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"grid {text} cannot be read: {error}") from None
        if not isinstance(table, dict) or not table:
            raise InputError(f"grid {text} holds no names and lists: write such as lookback = [20, 60]")
        return table
    table = {}
    for part in text.split(";"):
        name, equals, values = part.partition("=")
        words = [word.strip() for word in values.split(",")]
        if not equals or not name.strip() or not all(words):
            raise InputError(
                f"grid {text!r}: {part.strip()!r} is not name=value,value: write such as "
                "'lookback=20,60,120;top=2,3'"
            )
        if name.strip() in table:
            raise InputError(f"grid {text!r}: {name.strip()} is named twice")
        table[name.strip()] = [_value(word) for word in words]
    return table


def _value(word: str) -> Any:
    """int, float, bool or text of a word."""
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(word)
        except ValueError:
            continue
        if not math.isfinite(number):
            break
        return number
    return word
