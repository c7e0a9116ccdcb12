# SPDX-License-Identifier: Apache-2.0
"""Where each statistic comes from, and which of them are shown without a verdict."""

from __future__ import annotations

_CONT = "Cont (2001), Empirical properties of asset returns"
_HOSKING = "Hosking (1990), L-moments"
_HILL = "Hill (1975), A simple general approach to inference about the tail"
_ES = "Acerbi & Tasche (2002), On the coherence of expected shortfall"
_PASSAGE = "Jensen, Johansen & Simonsen (2003), Inverse statistics in economics: the gain-loss asymmetry"
_EIGEN = "Laloux, Cizeau, Bouchaud & Potters (1999), Noise dressing of financial correlation matrices"
_LOW_EIGEN = "Cetingoz & Lehalle (2025), Synthetic data for portfolios (arXiv 2501.03993)"
_BREAKDOWN = "Longin & Solnik (2001), Extreme correlation of international equity markets"
_TAIL = "Joe (1997), Multivariate models and dependence concepts; Poon, Rockinger & Tawn (2004)"
_LEVERAGE = "Bouchaud, Matacz & Potters (2001), Leverage effect in financial markets"

REFERENCES = {
    "annual_return": _CONT,
    "volatility": _CONT,
    "skewness": _CONT,
    "excess_kurtosis": _CONT,
    "l_skewness": _HOSKING,
    "l_kurtosis": _HOSKING,
    "hill_left": _HILL,
    "hill_right": _HILL,
    "quantile_ratio_left": "Hogg (1974), Adaptive robust procedures; Kim & White (2004)",
    "quantile_ratio_right": "Hogg (1974), Adaptive robust procedures; Kim & White (2004)",
    "w1": "Villani (2009), Optimal transport",
    "first_passage_loss": _PASSAGE,
    "first_passage_gain": _PASSAGE,
    "gain_loss_asymmetry": _PASSAGE,
    "acf_return": _CONT,
    "acf_return_lags": _CONT,
    "portmanteau": "Ljung & Box (1978); Diebold (1986), Testing for serial correlation under ARCH",
    "intermittency": _CONT,
    "acf_absolute": "Ding, Granger & Engle (1993), A long memory property of stock market returns",
    "acf_absolute_crisis_free": "Ding, Granger & Engle (1993), A long memory property of stock market returns",
    "acf_squared": "Engle (1982), Autoregressive conditional heteroscedasticity",
    "acf_absolute_far": "Ding, Granger & Engle (1993), A long memory property of stock market returns",
    "acf_decay": "Cont (2001); Liu et al. (1999), Statistical properties of the volatility",
    "ewma_l_kurtosis": "Cont (2001), conditional heavy tails; RiskMetrics (1996)",
    "ewma_hill_left": "Cont (2001), conditional heavy tails; RiskMetrics (1996)",
    "ewma_hill_right": "Cont (2001), conditional heavy tails; RiskMetrics (1996)",
    "ewma_excess_kurtosis": "Cont (2001), conditional heavy tails; RiskMetrics (1996)",
    "garch_l_kurtosis": "Bollerslev (1986), Generalized autoregressive conditional heteroskedasticity",
    "leverage": _LEVERAGE,
    "leverage_lags": _LEVERAGE,
    "zumbach": "Müller et al. (1997), Volatilities of different time resolutions; Zumbach (2009)",
    "correlation_matrix": "Laloux et al. (1999)",
    "mean_correlation": _BREAKDOWN,
    "correlation_breakdown": _BREAKDOWN,
    "lower_tail_dependence": _TAIL,
    "upper_tail_dependence": _TAIL,
    "tail_dependence_asymmetry": _TAIL,
    "eigen_spectrum": _EIGEN,
    "eigen_share": _EIGEN,
    "eigen_above_edge": f"Marchenko & Pastur (1967); {_EIGEN}",
    "cross_leverage": _LEVERAGE,
    "low_eigen_volatility": _LOW_EIGEN,
    "low_eigen_var_99": _LOW_EIGEN,
    "low_eigen_es_97_5": _LOW_EIGEN,
    "low_eigen_l_kurtosis": _LOW_EIGEN,
    "low_eigen_excess_kurtosis": _LOW_EIGEN,
    "var_95": _ES,
    "var_97_5": _ES,
    "var_99": _ES,
    "es_95": _ES,
    "es_97_5": _ES,
    "es_99": _ES,
    "worst_day": _CONT,
}
"""Paper that states the fact or defines the statistic."""

SHOWN_ONLY = frozenset(
    {
        "skewness",
        "excess_kurtosis",
        "ewma_excess_kurtosis",
        "low_eigen_excess_kurtosis",
        "worst_day",
        "eigen_above_edge",
    }
)
"""Statistics without a verdict: at a tail index of 3 to 4 the sampling error of skew and kurtosis has no
finite variance, resamples of a window never have a worse day than the window, and a count is no measure."""
