# SPDX-License-Identifier: Apache-2.0
"""What a metric is called where people read it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spade_finance.evaluate.metric import SHAPE

TITLES = {
    "annual_return": "annual return",
    "skewness": "skew",
    "l_skewness": "L-skewness",
    "l_kurtosis": "L-kurtosis",
    "hill_left": "tail index, losses",
    "hill_right": "tail index, gains",
    "quantile_ratio_left": "quantile ratio, losses",
    "quantile_ratio_right": "quantile ratio, gains",
    "w1": "distribution of returns (W1)",
    "ks": "distribution of returns (KS)",
    "mean_correlation": "mean correlation",
    "correlation_matrix": "correlations, pair by pair",
    "correlation_breakdown": "correlation breakdown, worst less calmest",
    "eigen_spectrum": "eigenvalues of the correlation",
    "eigen_share": "share of the largest eigenvalue",
    "eigen_above_edge": "eigenvalues above the Marchenko-Pastur edge",
    "lower_tail_dependence": "joint losses (5 % tail)",
    "upper_tail_dependence": "joint gains (5 % tail)",
    "tail_dependence_asymmetry": "joint losses less joint gains",
    "acf_return": "autocorrelation of returns, lag 1",
    "acf_return_lags": "autocorrelation of returns, lags 1 to 20",
    "acf_absolute": "autocorrelation of |returns|",
    "acf_absolute_far": "autocorrelation of |returns|, far lags",
    "acf_decay": "decay exponent of the autocorrelation of |returns|",
    "acf_squared": "autocorrelation of squared returns",
    "acf_absolute_crisis_free": "autocorrelation of |returns|, crisis-free",
    "ewma_excess_kurtosis": "excess kurtosis after EWMA",
    "ewma_l_kurtosis": "L-kurtosis after EWMA",
    "garch_l_kurtosis": "L-kurtosis after GARCH",
    "leverage": "leverage effect",
    "zumbach": "Zumbach time asymmetry",
    "worst_day": "worst day",
    "signature_mmd": "signature MMD",
    "c2st_trees": "told apart by trees (AUC)",
    "c2st_network": "told apart by a network (AUC)",
    "precision": "precision of windows",
    "recall": "recall of windows",
    "density": "density of windows",
    "coverage": "coverage of windows",
    "label_agreement": "labels found again",
    "low_eigen_volatility": "volatility of the low-variance eigen books",
    "low_eigen_l_kurtosis": "L-kurtosis of the low-variance eigen books",
}
UPPER = {
    "var": "VaR",
    "es": "ES",
    "fz0": "FZ0",
    "ks": "KS",
    "w1": "W1",
    "acf": "ACF",
    "mmd": "MMD",
    "auc": "AUC",
}


def metric_title(row: Any) -> str:
    """``VaR 95 %, crisis`` from a row's keys."""
    name = str(row["metric"])
    plain = name.removeprefix(SHAPE)
    title = TITLES.get(plain) or _spelled(plain)
    if plain != name:
        title += ", shape only"
    horizon = row["horizon_days"]
    if pd.notna(horizon) and horizon > 1:
        title += f", {int(horizon)} days"
    regime = row["regime"]
    return title if regime is None or pd.isna(regime) else f"{title}, {regime}"


def _spelled(name: str) -> str:
    """``es_97_5`` as ``ES 97.5 %``, ``hit_rate_99`` as ``hit rate 99 %``, other names with spaces."""
    words: list[str] = []
    level: list[str] = []
    for word in name.split("_"):
        (level if word.isdigit() else words).append(word)
    text = " ".join(UPPER.get(word, word) for word in words)
    return f"{text} {'.'.join(level)} %" if level and int(level[0]) >= 50 else " ".join([text, *level])
