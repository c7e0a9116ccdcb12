# SPDX-License-Identifier: Apache-2.0
"""Leave one crisis out: nothing is learnt from it, its label path is asked for, what happened is scored.

Every column is fitted on the panel without the crisis (no day of it, no training window within 60 days of it), is
given the labels that its days have, and draws ``PATHS`` paths over the whole crisis from the long-run state. Proper
scores, lower is better, of those paths against the one that happened:

- ``energy``     energy score of daily sector returns, in windows of 21 days (returns over their label's volatility in
                 training, so that calm days count too)
- ``variogram``  variogram score of order 1/2 between sectors and between days
- ``market``     CRPS of the equal-weight market's 1, 5 and 20 day returns
- ``long_short`` CRPS of the same horizons for 20 random dollar-neutral portfolios
- ``drawdown``   CRPS of the market's largest drawdown over the crisis
- ``volatility`` CRPS of the log volatility of the market over the crisis
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.proper_scores import crps, drawdown, energy, variogram
from benchmarks.realism.fits import fit_ours
from benchmarks.realism.plan import OURS, Crisis, returns_of

PATHS = 512
WINDOW_DAYS = 21
HORIZONS = (1, 5, 20)
METRICS = ("energy", "variogram", "market", "long_short", "drawdown", "volatility")


def score_crisis(crisis: Crisis, columns: tuple[str, ...]) -> dict[str, Any]:
    """Scores of every column on one crisis."""
    import spade_finance as sf
    from spade_finance.baselines import make_baseline
    from spade_finance.regimes.timeline import RegimeTimeline

    returns = returns_of(crisis.panel)
    inside = (returns.index >= crisis.first) & (returns.index <= crisis.last)
    kept = returns[~inside]
    labeller = sf.JumpRegimes(random_state=0).fit(kept)
    labels = labeller.smooth(returns)
    known = labels.align(kept)
    codes = labels.codes[inside]
    real = np.log1p(returns.to_numpy())[inside]
    scale = _typical(np.log1p(kept.to_numpy()), known.codes, len(labels.regimes))[codes]
    timeline = RegimeTimeline.from_codes(codes, labels.regimes, [str(c) for c in returns.columns])
    rows: dict[str, Any] = {}
    for column in columns:
        if column in OURS:
            model = fit_ours(column, returns, labeller, 0, exclude=((crisis.first, crisis.last),))
        else:
            model = make_baseline(column)
            # Both sides of the gap are learnt from; only the seam of two days is not history.
            model.fit(kept, known)
        missing = sorted(set(codes) - set(np.unique(known.codes)))
        if missing and column not in OURS:
            continue
        drawn = model.sample(timeline, n_paths=PATHS, random_state=0).log_array.astype(np.float64)
        rows[column] = scores(drawn, real, scale)
    share = np.bincount(codes, minlength=len(labels.regimes)) / len(codes)
    return {
        "crisis": crisis.name,
        "panel": crisis.panel,
        "days": int(inside.sum()),
        "regimes": dict(zip(labels.regimes, share.round(3).tolist(), strict=True)),
        "scores": rows,
    }


def _typical(log_returns: np.ndarray, codes: np.ndarray, n_regimes: int) -> np.ndarray:
    """Daily volatility of each sector by label, (K, S), of the days learnt from."""
    whole = log_returns.std(0)
    return np.stack(
        [log_returns[codes == k].std(0) if (codes == k).sum() > 20 else whole for k in range(n_regimes)]
    )


def scores(drawn: np.ndarray, real: np.ndarray, scale: np.ndarray) -> dict[str, float]:
    """:data:`METRICS` of paths (n, days, sectors) against one (days, sectors), all log returns."""
    days, n_sectors = real.shape
    fake, true = drawn / scale, real / scale
    pieces = [slice(a, a + WINDOW_DAYS) for a in range(0, days - WINDOW_DAYS + 1, WINDOW_DAYS)]
    patches = np.stack([fake[:, p].reshape(len(fake), -1) for p in pieces], axis=1)
    patch = np.stack([true[p].reshape(-1) for p in pieces])
    market = np.log(np.exp(drawn).mean(2))
    market_real = np.log(np.exp(real).mean(1))
    weights = np.random.default_rng(0).standard_normal((20, n_sectors))
    weights -= weights.mean(1, keepdims=True)
    weights /= np.abs(weights).sum(1, keepdims=True)
    shorts, shorts_real = np.expm1(drawn) @ weights.T, np.expm1(real) @ weights.T
    unit = float(np.exp(np.log(scale).mean()))
    variogram_score = variogram(fake, true) if days > WINDOW_DAYS else float("nan")
    return {
        "energy": energy(torch.from_numpy(patches), torch.from_numpy(patch)[None]),
        "variogram": variogram_score,
        "market": _crps_of_sums(market, market_real, unit),
        "long_short": float(
            np.mean([_crps_of_sums(shorts[..., i], shorts_real[:, i], unit) for i in range(len(weights))])
        ),
        "drawdown": float(crps(drawdown(market)[:, None], drawdown(market_real[None]))[0]),
        "volatility": float(crps(np.log(market.std(1))[:, None], np.log(market_real.std()[None]))[0]),
    }


def _crps_of_sums(fake: np.ndarray, real: np.ndarray, unit: float) -> float:
    """Mean over horizons of the CRPS of sums over consecutive stretches, in units of a day's volatility."""
    out = []
    for h in HORIZONS:
        n = len(real) // h
        a = fake[:, : n * h].reshape(len(fake), n, h).sum(2)
        b = real[: n * h].reshape(n, h).sum(1)
        out.append(crps(a, b).mean() / (unit * h**0.5))
    return float(np.mean(out))
