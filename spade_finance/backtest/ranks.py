# SPDX-License-Identifier: Apache-2.0
r"""May synthetic ranks be trusted? Strategies ranked on generated paths against the real held-out years.

A dozen strategies are run over the years after the model's training end, and over paths drawn *under the same
days' regimes* from the model and from every baseline. Agreement is Spearman's :math:`\rho` (and Kendall's
:math:`\tau_b`) between a strategy's mean over paths and its value on the real years.

The real years are one draw, so even a perfect generator would not reach 1. Two things say how much can be asked
for:

*noise floor, resamples*
    the correlation between the real ranking and that of the real years resampled in blocks;
*noise floor, halves*
    the correlation between the first and the second half of the real years.

The interval of a generator's correlation resamples both sides, the real years in blocks (all strategies on the
same days) and the paths one by one. With few strategies chance alone gives large correlations: the level that
unrelated rankings exceed 5 % of the time is printed beside.

Regimes are hindsight labels: this is a test of ranks *given the regimes*, not a forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest import metrics
from spade_finance.backtest.measures import MEASURES, Array, shown
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

N_PATHS = 200
SLOW_PATHS = 16
"""Paths a generator for strategies that work path by path: the held-out years are long and there are many paths."""
N_RESAMPLES = 300
BLOCK_DAYS = 60
RANKED: dict[str, Callable[[Array], Array]] = {
    "sharpe": metrics.sharpe,
    "annual_return": metrics.annual_return,
    "volatility": metrics.annual_volatility,
    "max_drawdown": metrics.max_drawdown,
}
"""What strategies are ranked by."""
FLOORS = ("real, resampled", "real, one half against the other")
LEAST_STRATEGIES = 4
OPPONENTS = ("block_bootstrap", "block_bootstrap_scaled", "regime_t", "fhs")
"""Baselines whose ranks stand beside the model's unless others are named: every one runs every strategy again."""

Run = Callable[[Any, Array, NDArray[np.integer], Sequence[str]], Array]
"""(strategy, simple returns (n, T, S), codes, regimes) -> daily net returns (n, T)."""

__all__ = ["RANKED", "RankTest", "kendall", "rank_test", "spearman"]


@dataclass(frozen=True, eq=False)
class RankTest:
    """Result of :func:`rank_test`.

    Attributes
    ----------
    table : DataFrame
        One row a source (the generators, then the noise floors) and measure: ``source``, ``measure``,
        ``spearman``, ``low``, ``high`` (90 % interval), ``std_error``, ``kendall``, ``best_found`` (chance
        that the strategy ranked first is also the real first, over the resamples).
    scores : DataFrame
        One row a strategy and measure: ``real``, and one column a generator (mean over paths).
    chance : float
        Spearman correlation that unrelated rankings exceed 5 % of the time.
    span : str
        Held-out days.
    n_paths, n_days : int
    notes : tuple of str
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    chance: float
    span: str
    n_paths: int
    n_days: int
    notes: tuple[str, ...] = ()

    @property
    def strategies(self) -> list[str]:
        """Names of what was ranked."""
        return list(dict.fromkeys(self.scores["strategy"]))

    @property
    def sources(self) -> list[str]:
        """Generators, the model first."""
        return [name for name in dict.fromkeys(self.table["source"]) if name not in FLOORS]

    def cell(self, source: str, measure: str = "sharpe") -> dict[str, Any]:
        """One row of :attr:`table`."""
        rows = self.table[(self.table["source"] == source) & (self.table["measure"] == measure)]
        return {str(k): v for k, v in rows.iloc[0].items()}

    def verdict(self) -> str:
        """One or two sentences that answer the question."""
        mine, floor = self.cell(self.sources[0]), self.cell(FLOORS[0])
        text = (
            f"ranks by Sharpe ratio on {self.sources[0]} paths against the held-out years {self.span}: Spearman "
            f"{_interval(mine)}; real years against themselves {_interval(floor)}; chance alone reaches "
            f"{self.chance:.2f} in 5 % of cases"
        )
        if not np.isfinite(mine["spearman"]):
            return text + ". No ranking could be made."
        if mine["low"] > 0 and mine["spearman"] > self.chance:
            trust = "ranks found on these paths carried over"
        elif mine["high"] < 0 and mine["spearman"] < -self.chance:
            trust = "ranks found on these paths were reversed in reality: do not choose by them"
        else:
            trust = "these years cannot show that synthetic ranks carry over: do not choose by them alone"
        others = ", ".join(
            f"{MEASURES[m].title} {shown(self.cell(self.sources[0], m)['spearman'], 'ratio')}"
            for m in ("annual_return", "volatility", "max_drawdown")
        )
        return f"{text}: {trust}. By {others}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the report's JSON."""
        return {
            "span": self.span,
            "n_paths": self.n_paths,
            "n_days": self.n_days,
            "strategies": self.strategies,
            "chance_95": self.chance,
            "rows": self.table.to_dict("records"),
            "scores": self.scores.to_dict("records"),
            "verdict": self.verdict(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"RankTest: {self.verdict()}\n{self.table.round(2).to_string(index=False)}"


def rank_test(
    model: Any,
    real: pd.DataFrame,
    strategies: Mapping[str, Any],
    run: Run,
    *,
    baselines: str | Sequence[str] = OPPONENTS,
    n_paths: int = N_PATHS,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> RankTest:
    """Rank strategies on generated paths and on the real held-out years.

    Parameters
    ----------
    model : fitted generator
        With ``sample``, ``label``, ``sectors_``, ``regimes_`` and ``training_window_``.
    real : DataFrame (days, sectors)
        Decimal simple returns; the days after the training end are held out, those before teach the baselines.
    strategies : {name: strategy}
        At least 4.
    run : callable
        Runs a strategy on a cube, see :data:`Run`; the same for real and generated returns.
    baselines : see :func:`spade_finance.baselines.baseline_names`; default :data:`OPPONENTS`
    n_paths : int
        Paths a generator, each as long as the held-out window; strategies that work path by path meet the first
        :data:`SLOW_PATHS` of them.
    seed : int
    progress : callable, optional
        Called with what is done next.

    Raises
    ------
    InputError
        On fewer than 4 strategies, or fewer than 60 held-out days.
    """
    from spade_finance.baselines import baseline_names
    from spade_finance.evaluate.inputs import check_columns, find_window, fitted_baselines, training_data
    from spade_finance.regimes.timeline import RegimeTimeline

    def few(strategy: Any) -> int:
        return min(n_paths, SLOW_PATHS) if getattr(strategy, "path_by_path", False) else n_paths

    if len(strategies) < LEAST_STRATEGIES:
        raise InputError(f"the rank test needs at least {LEAST_STRATEGIES} strategies, got {len(strategies)}")
    tell = progress or (lambda what: None)
    tell("held-out years")
    window = find_window(model, check_columns(real, tuple(model.sectors_)), None, None)
    assert window.codes is not None
    sectors = tuple(str(c) for c in window.returns.columns)
    cube = window.returns.to_numpy(dtype=np.float64)[None]
    truth = {name: run(s, cube, window.codes, window.regimes)[0] for name, s in strategies.items()}
    names = baseline_names(baselines)
    training = training_data(model, window, real, None, None) if names else None
    generators: dict[str, Any] = {"model": model, **fitted_baselines(names, training, window)}
    timeline = RegimeTimeline.from_codes(window.codes, window.regimes, sectors)
    found: dict[str, dict[str, Array]] = {}
    for i, (source, generator) in enumerate(generators.items()):
        key = seed if not i else int(np.random.SeedSequence([seed, i]).generate_state(1)[0])
        tell(source)
        drawn: ScenarioSet = generator.sample(timeline, n_paths=n_paths, random_state=key)
        simple = drawn.simple_array.astype(np.float64)
        runs = {
            name: run(s, simple[: few(s)], window.codes, window.regimes) for name, s in strategies.items()
        }
        found[source] = {
            measure: np.column_stack([_padded(function(daily), n_paths) for daily in runs.values()])
            for measure, function in RANKED.items()
        }
    tell("uncertainty")
    index = window.returns.index
    slow = [name for name, s in strategies.items() if few(s) < n_paths]
    said = f"{', '.join(slow)} by the first {SLOW_PATHS} of {n_paths} paths only: called path by path, it is slow"
    return _judge(
        pd.DataFrame(truth, index=index), found, n_paths, f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}",
        (*window.notes, *([said] if slow else [])), seed,
    )  # fmt: skip


def spearman(a: Array, b: Array) -> Array:
    """Spearman correlation along the last axis, mid-ranks for ties; NaN where one side is constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a, axis=-1), rankdata(b, axis=-1)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.asarray((x * y).sum(-1) / np.where(scale > 0, scale, np.nan))


def kendall(a: Array, b: Array) -> float:
    """Kendall's tau-b of two vectors; NaN where one is constant."""
    from scipy.stats import kendalltau

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(kendalltau(a, b).statistic)


def _judge(
    truth: pd.DataFrame, found: Mapping[str, Mapping[str, Array]], n_paths: int, span: str,
    notes: tuple[str, ...], seed: int,
) -> RankTest:  # fmt: skip
    """Correlations of every source and measure with their intervals."""
    rng = np.random.default_rng([seed, 77])
    values = truth.to_numpy(dtype=np.float64)
    n_days = len(values)
    days = _blocks(n_days, N_RESAMPLES, rng)
    names = list(truth.columns)
    rows, table = [], []
    picks = {source: rng.integers(n_paths, size=(N_RESAMPLES, n_paths)) for source in found}
    for measure, function in RANKED.items():
        real = function(values.T)
        usable = _usable(real, [found[s][measure] for s in found])
        resampled = _resampled(function, values[:, usable], days)
        line = pd.DataFrame({"strategy": names, "measure": measure, "real": real})
        for source, by_measure in found.items():
            paths = by_measure[measure]
            line[source] = _mean(paths)
            mean = _mean(paths[:, usable])
            draws = np.stack([_mean(paths[pick][:, usable]) for pick in picks[source]])
            rows.append(_row(source, measure, mean, real[usable], draws, resampled))
        table.append(line)
        rows.append(
            _row(FLOORS[0], measure, real[usable], real[usable], resampled, resampled[::-1], floor=True)
        )
        middle = n_days // 2
        halves = (values[:middle][:, usable], values[middle:][:, usable])
        first, second = (np.nan_to_num(function(half.T)) for half in halves)
        redrawn = [_resampled(function, half, _blocks(len(half), N_RESAMPLES, rng)) for half in halves]
        rows.append(_row(FLOORS[1], measure, first, second, *redrawn))
    k = len(names)
    null = np.random.default_rng(0).permuted(np.tile(np.arange(k, dtype=np.float64), (20_000, 1)), axis=1)
    chance = float(np.quantile(spearman(null, np.arange(k, dtype=np.float64)[None]), 0.95))
    order = [*found, *FLOORS]
    result = pd.DataFrame(rows)
    result["source"] = pd.Categorical(result["source"], order, ordered=True)
    result = result.sort_values("source", kind="stable").reset_index(drop=True)
    result["source"] = result["source"].astype(object)
    return RankTest(result, pd.concat(table, ignore_index=True), chance, span, n_paths, n_days, notes)


def _row(
    source: str,
    measure: str,
    mean: Array,
    real: Array,
    draws: Array,
    resampled: Array,
    *,
    floor: bool = False,
) -> dict[str, Any]:
    """Point estimate and interval; the resampled floor has no point of its own but its draws' mean."""
    known = len(mean) >= LEAST_STRATEGIES
    both = spearman(draws, real[None] if floor else resampled) if known else np.array([np.nan])
    both = both[np.isfinite(both)]
    low, high = np.quantile(both, [0.05, 0.95]) if len(both) else (np.nan, np.nan)
    sign = np.sign(MEASURES[measure].better or 1)
    first = np.argmax(sign * draws, axis=1) if known else np.array([0])
    against = np.argmax(sign * (real[None] if floor else resampled), axis=1) if known else np.array([-1])
    return {
        "source": source,
        "measure": measure,
        "spearman": float(both.mean())
        if floor and len(both)
        else float(spearman(mean, real))
        if known
        else np.nan,
        "low": float(low),
        "high": float(high),
        "std_error": float(both.std(ddof=1)) if len(both) > 1 else np.nan,
        "kendall": float(np.mean([kendall(d, real) for d in draws[:100]])) if floor else kendall(mean, real),
        "best_found": float(np.mean(first == against)) if known else np.nan,
    }


def _usable(real: Array, paths: Sequence[Array]) -> NDArray[np.bool_]:
    """Strategies that have the measure on the real years and on paths of every source."""
    return np.isfinite(real) & np.all([np.isfinite(p).any(axis=0) for p in paths], axis=0)


def _resampled(function: Callable[[Array], Array], values: Array, days: NDArray[np.intp]) -> Array:
    """A measure of strategies (T, k) on resampled days (B, T), (B, k); 0 where a resample has none."""
    columns = [function(values[:, j][days]) for j in range(values.shape[1])]
    return np.nan_to_num(np.column_stack(columns), posinf=0.0, neginf=0.0)


def _padded(values: Array, n_paths: int) -> Array:
    """Values of the first paths as (n_paths,), missing on the others."""
    return np.pad(values, (0, n_paths - len(values)), constant_values=np.nan)


def _mean(paths: Array) -> Array:
    """Mean over paths (n, k) -> (k,), missing and infinite values left out; NaN without any."""
    known = np.isfinite(paths)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, paths, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _blocks(n_days: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Days of a circular stationary bootstrap with mean block of 60 days, (n_draws, n_days)."""
    p = 1.0 / min(BLOCK_DAYS, max(2, n_days // 4))
    new = rng.random((n_draws, n_days)) < p
    new[:, 0] = True
    start = rng.integers(n_days, size=(n_draws, n_days))
    position = np.arange(n_days)
    since = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    return (np.take_along_axis(start, since, axis=1) + position - since) % n_days


def _interval(row: Mapping[str, Any]) -> str:
    return (
        f"{shown(row['spearman'], 'ratio')} ({shown(row['low'], 'ratio')} to {shown(row['high'], 'ratio')})"
    )
