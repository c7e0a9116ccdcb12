# SPDX-License-Identifier: Apache-2.0
"""What a baseline has learnt: statistics of its draws under the training labels beside the training data's.

Real returns are divided by the slow scale first, since draws hold it constant. A look at the training, in sample;
the judgement is the scorecard's, on other days. The table of ``docs/neural_baselines.md`` is made by ::

    python -m spade_finance.baselines.neural.learned diffusion --until 2012-12-31
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.baselines.base import Baseline
from spade_finance.baselines.slow_scale import RegimeMoments, slow_scale

LAGS = (1, 5, 20, 60)
N_PATHS = 16


def learned(baseline: Baseline, n_paths: int = N_PATHS, random_state: int = 0) -> pd.DataFrame:
    """Statistics of a fitted baseline's draws and of its training data.

    Parameters
    ----------
    baseline : Baseline
        Fitted.
    n_paths : int
        Paths over the whole training timeline.
    random_state : int

    Returns
    -------
    DataFrame
        Rows as in :func:`statistics`; columns ``real``, ``drawn`` and ``se`` (of ``drawn``, over paths).
    """
    codes, regimes = baseline.codes_, baseline.regimes_
    moments = RegimeMoments.fit(baseline.log_returns_, codes, len(regimes))
    z = moments.standardise(baseline.log_returns_, codes)
    real = moments.mean[codes] + moments.std[codes] * z / slow_scale(z)[:-1]
    drawn = baseline.sample(codes, n_paths, random_state).log_array.astype(np.float64)
    rows = pd.DataFrame([statistics(path, codes, regimes) for path in drawn])
    return pd.DataFrame(
        {
            "real": pd.Series(statistics(real, codes, regimes)),
            "drawn": rows.mean(),
            "se": rows.std() / np.sqrt(len(rows)),
        }
    )


def statistics(
    log_returns: NDArray[np.float64], codes: NDArray[np.integer], regimes: tuple[str, ...]
) -> Mapping[str, float]:
    """Statistics of one path (days, sectors).

    By regime: the market's volatility (% a year) and the sectors' mean correlation. Of regime-standardised returns:
    mean excess kurtosis of the sectors, the market's excess kurtosis, skewness and leverage (mean over lags 1 to 10
    of corr(r_t, r^2_{t+l})). Autocorrelations of the market's |r|, raw and regime-standardised (the clustering that
    the timeline does not explain), and of r.
    """
    out: dict[str, float] = {}
    market = np.log(np.exp(log_returns).mean(1))
    z = np.empty_like(log_returns)
    above = np.triu_indices(log_returns.shape[1], 1)
    for k, regime in enumerate(regimes):
        days = codes == k
        if days.sum() < 3:
            continue
        part = log_returns[days]
        out[f"volatility {regime}"] = float(100 * np.sqrt(252) * market[days].std())
        if log_returns.shape[1] > 1:
            out[f"correlation {regime}"] = float(np.corrcoef(part.T)[above].mean())
        z[days] = (part - part.mean(0)) / part.std(0)
    m = z.mean(1) / z.mean(1).std()
    out["kurtosis, sectors"] = float((z**4).mean() - 3)
    out["kurtosis, market"] = float((m**4).mean() - 3)
    out["skewness, market"] = float((m**3).mean())
    out["leverage"] = float(np.mean([np.corrcoef(m[:-lag], m[lag:] ** 2)[0, 1] for lag in range(1, 11)]))
    for lag in LAGS:
        out[f"acf |r| {lag}"] = _acf(np.abs(market), lag)
    for lag in LAGS:
        out[f"acf |r| {lag} within regimes"] = _acf(np.abs(m), lag)
    out["acf r 1"] = _acf(market, 1)
    return out


def _acf(x: NDArray[np.float64], lag: int) -> float:
    d = x - x.mean()
    return float((d[lag:] * d[:-lag]).mean() / (d * d).mean())


def main() -> None:
    """Train (or load) baselines on the embedded data and print their tables."""
    from spade_finance.baselines import make_baseline
    from spade_finance.data import load_sectors
    from spade_finance.regimes import JumpRegimes

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+")
    parser.add_argument("--until", default="2012-12-31")
    args = parser.parse_args()
    returns = load_sectors().loc[: args.until]
    labels = JumpRegimes(random_state=0).fit(returns).smooth(returns)
    for name in args.names:
        baseline = make_baseline(name)
        began = time.process_time()
        baseline.fit(returns, labels)
        trained = time.process_time() - began
        table = learned(baseline)
        print(f"{name}: fitted in {trained:.0f} CPU seconds")
        print(table.round(2).to_string(), flush=True)


if __name__ == "__main__":
    main()
