# SPDX-License-Identifier: Apache-2.0
"""Bridges to other libraries: skfolio, pandas, vectorbt, backtrader, bt and quantstats.

Nothing here is imported unless asked for, and none of these libraries is needed for anything else:

* :mod:`~spade_finance.integrations.skfolio`: ``ScenarioDistribution`` for ``skfolio.prior.SyntheticData``;
* :mod:`~spade_finance.integrations.feeds`: price paths as other backtesters read them;
* :mod:`~spade_finance.integrations.quantstats`: a tearsheet of one path.
"""
