# SPDX-License-Identifier: Apache-2.0
r"""The scenario generator as a distribution for skfolio: portfolios optimised on scenarios instead of history.

``skfolio.prior.SyntheticData`` asks a distribution for n rows of returns and treats them as exchangeable
observations. A scenario is a path, so something must be chosen, and it is this:

* one row is one path: row i is drawn from path i of the seed, so rows are independent of each other;
* of that path it is the simple return over `horizon_days` consecutive days, the place in the script spread
  evenly over the rows,

.. math:: x_i = \exp\Big(\sum_{h=0}^{H-1} l_{i,\,d_i+h}\Big) - 1, \qquad
          d_i = \big\lfloor \mathrm{frac}(u + i\varphi)\,(T-H+1) \big\rfloor,

with :math:`\varphi` the golden ratio's fraction and u a number that the seed gives.

**What is lost**: rows have no order, so volatility clustering, drawdowns and the order of regimes are not seen by
the optimiser except through the distribution of a row. Ask for ``horizon_days=21`` when a month's loss is what
matters; a risk measure of paths (drawdown) on these rows means nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from spade_finance.exceptions import InputError, LookAheadWarning

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.scenarios import ScenarioSet

__all__ = ["ScenarioDistribution"]

GOLDEN = 0.6180339887498949
"""Steps of this size, modulo 1, fill the unit interval evenly for any number of steps."""
CONDITIONS = ("script", "horizon_days", "start_vol", "extrapolate")
"""What ``sample(conditioning={...})`` may change."""


class ScenarioDistribution(BaseEstimator):
    """Distribution of sector returns under a regime script, for ``skfolio.prior.SyntheticData``.

    Parameters
    ----------
    model : str, path or ScenarioGenerator
        ``"default"`` (the shipped model), a model folder, or a generator. A generator that is not fitted yet is
        trained on the X of :meth:`fit`; a fitted one is used as it is and shared by clones.
    regimes : str, RegimeTimeline or PathTimelines
        The regime script: the condition under which returns are drawn.
    horizon_days : int
        Trading days that one row compounds, 1 to the script's length. The optimiser's figures are then per
        `horizon_days`, not per day.
    start_vol : {"long-run", "last"} or float
        Volatility that the paths start from, as in :meth:`ScenarioGenerator.sample`.
    extrapolate : bool
        Allow severities beyond the trained range.
    history : {"fit", "model"}
        What ``now``, replays and ``start_vol="last"`` look back on: the X of :meth:`fit`, which must then hold
        all of the model's sectors, or the model's own data.
    refit : bool
        Train on the X of :meth:`fit`: a generator with the parameters of `model` if it is one, else one of preset
        ``"quick"`` (minutes). Without it nothing is learned from X: only its columns, and where the script asks
        for it its end, are used.
    random_state : int, Generator or None
        Seed of sampling, and of training where there is any. An int gives the same rows on every call; None
        differs every time.
    workers : int, optional
        Threads; default one a core. The result does not depend on it.

    Attributes
    ----------
    model_ : ScenarioGenerator
    feature_names_in_ : object array of (n_assets,) str
        The columns of X, in the order of the samples' columns.
    n_features_in_ : int

    Warns
    -----
    LookAheadWarning
        :meth:`fit` gets data that end before the model's training window does: a walk-forward over them would use
        a model that has seen their future.

    Examples
    --------
    >>> from skfolio import RiskMeasure  # doctest: +SKIP
    >>> from skfolio.optimization import MeanRisk  # doctest: +SKIP
    >>> from skfolio.prior import SyntheticData  # doctest: +SKIP
    >>> prior = SyntheticData(ScenarioDistribution(regimes="crisis:63"), n_samples=5000)  # doctest: +SKIP
    >>> MeanRisk(risk_measure=RiskMeasure.CVAR, prior_estimator=prior).fit(returns).weights_  # doctest: +SKIP
    """

    model_: ScenarioGenerator
    feature_names_in_: NDArray[np.object_]
    n_features_in_: int

    def __init__(
        self,
        model: str | os.PathLike[str] | ScenarioGenerator = "default",
        regimes: Any = "markov:252",
        *,
        horizon_days: int = 1,
        start_vol: str | float = "long-run",
        extrapolate: bool = False,
        history: Literal["fit", "model"] = "fit",
        refit: bool = False,
        random_state: int | np.random.Generator | None = 0,
        workers: int | None = None,
    ) -> None:
        self.model = model
        self.regimes = regimes
        self.horizon_days = horizon_days
        self.start_vol = start_vol
        self.extrapolate = extrapolate
        self.history = history
        self.refit = refit
        self.random_state = random_state
        self.workers = workers

    def __sklearn_clone__(self) -> Self:
        """An unfitted copy, as scikit-learn has it, that keeps a fitted generator: it is an ingredient here."""
        made = super().__sklearn_clone__()
        if _is_fitted(self.model):
            made.model = self.model
        return made

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Take the assets from X and make the model ready.

        Parameters
        ----------
        X : DataFrame of shape (n_days, n_assets)
            Daily simple returns in decimals. Without training, columns are the model's sectors or some of them.
        y : ignored

        Raises
        ------
        InputError
            X is no DataFrame, or has columns that the model does not know; the model cannot be loaded.
        """
        from spade_finance.model import ScenarioGenerator

        if self.history not in ("fit", "model"):
            raise InputError(f"history={self.history!r} is unknown: pass 'fit' (the X of fit) or 'model'")
        names = _names(X)
        given = self.model
        if not isinstance(given, str | os.PathLike | ScenarioGenerator):
            raise InputError(
                f"model={given!r} is no model: pass 'default', a model folder or a ScenarioGenerator"
            )
        if self.refit or (isinstance(given, ScenarioGenerator) and not _is_fitted(given)):
            template = (
                given if isinstance(given, ScenarioGenerator) else ScenarioGenerator("quick", self._seed())
            )
            model = ScenarioGenerator(**template.get_params()).fit(X)
        else:
            model = given if isinstance(given, ScenarioGenerator) else ScenarioGenerator.load(given)
            if unknown := [name for name in names if name not in model.sectors_]:
                raise InputError(
                    f"X has columns {unknown} that the model does not know: leave them out, rename them, or pass "
                    f"refit=True to train a model on X; its sectors are {', '.join(model.sectors_)}"
                )
            _warn_look_ahead(X.index, model)
        self.model_ = model
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)
        self._returns = X if self.history == "fit" else None
        return self

    def sample(self, n_samples: int = 1000, conditioning: Any = None) -> NDArray[np.float64]:
        """Draw independent rows of simple returns.

        Parameters
        ----------
        n_samples : int
            Rows; row i comes from path i, so the first rows stay the same when more are asked for.
        conditioning : str, timeline or mapping, optional
            Another regime script than the constructor's, or a mapping of ``script``, ``horizon_days``,
            ``start_vol`` and ``extrapolate`` to what they shall be in this call. Through skfolio:
            ``SyntheticData(..., sample_args={"conditioning": {"script": "crisis:20"}})``.

        Returns
        -------
        array of shape (n_samples, n_assets), float64
            Decimal simple returns over `horizon_days`, columns as in X.

        Raises
        ------
        InputError
            A bad script, count or condition (skfolio's own ``{asset: return}`` is none of ours).
        """
        wanted = self._wanted(conditioning)
        seed, horizon = self._seed(), wanted["horizon_days"]
        drawn = np.empty((0, self.n_features_in_))
        place = np.empty(0, dtype=np.int64)
        first = 0
        for batch in self._batches(n_samples, seed, wanted):
            if not first:
                _check_horizon(horizon, batch.n_days)
                drawn = np.empty((n_samples, self.n_features_in_))
                place = _places(n_samples, batch.n_days - horizon + 1, seed)
            rows = np.arange(batch.n_paths)
            start = place[first : first + batch.n_paths]
            days = start[:, None] + np.arange(horizon)  # (n, H)
            logs = batch.log_array[rows[:, None], days].astype(np.float64).sum(axis=1)  # (n, S)
            drawn[first : first + batch.n_paths] = np.expm1(logs[:, self._columns()])
            first += batch.n_paths
        return drawn

    def scenarios(self, n_paths: int = 1000, conditioning: Any = None) -> ScenarioSet:
        """Draw the whole paths that the rows of :meth:`sample` are taken from, of all of the model's sectors.

        Their ``provenance`` names the model, script and seed. Path i holds row i of a sample with the same
        arguments, where `random_state` is an int.
        """
        from spade_finance.scenarios import ScenarioSet

        return ScenarioSet.concat(list(self._batches(n_paths, self._seed(), self._wanted(conditioning))))

    # -- inside

    def _seed(self) -> int:
        """The seed of one call."""
        from spade_finance.model.request import _seed

        return _seed(np.random.default_rng() if self.random_state is None else self.random_state)

    def _columns(self) -> list[int]:
        return [self.model_.sectors_.index(name) for name in self.feature_names_in_]

    def _wanted(self, conditioning: Any) -> dict[str, Any]:
        """The constructor's conditions with those of one call in their place."""
        if not hasattr(self, "model_"):
            raise InputError(
                "this ScenarioDistribution is not fitted: call fit(X) with the assets' returns first"
            )
        wanted = {
            "script": self.regimes,
            "horizon_days": self.horizon_days,
            "start_vol": self.start_vol,
            "extrapolate": self.extrapolate,
        }
        if conditioning is None:
            return wanted
        if not isinstance(conditioning, Mapping):
            return wanted | {"script": conditioning}
        if strangers := [key for key in conditioning if key not in CONDITIONS]:
            raise InputError(
                f"conditioning names {strangers[0]!r}: returns are drawn under a regime script, not under an asset's "
                f"return; pass some of {', '.join(CONDITIONS)}, such as {{'script': 'crisis:20'}}"
            )
        return wanted | dict(conditioning)

    def _batches(self, n: int, seed: int, wanted: Mapping[str, Any]) -> Any:
        return self.model_.sample_batches(
            wanted["script"],
            n,
            seed,
            start_vol=wanted["start_vol"],
            extrapolate=wanted["extrapolate"],
            history=self._past(wanted),
            workers=self.workers,
        )

    def _past(self, wanted: Mapping[str, Any]) -> pd.DataFrame | None:
        """The X of fit where the script or the start looks back on it."""
        from spade_finance.regimes import parse_script

        if self._returns is None:
            return None
        model, script = self.model_, wanted["script"]
        if isinstance(script, str | os.PathLike):
            script = parse_script(script, regimes=model.regimes_, sectors=model.sectors_)
        if not getattr(script, "needs_history", False) and wanted["start_vol"] != "last":
            return None
        if missing := [name for name in model.sectors_ if name not in self.feature_names_in_]:
            raise InputError(
                f"X lacks {missing}, and this script or start_vol needs the regime at the end of X, which is read off "
                "all of the model's sectors: add them, or pass history='model'"
            )
        return self._returns


def _is_fitted(model: Any) -> bool:
    return bool(getattr(model, "_fitted", False))


def _names(X: Any) -> list[str]:
    if not isinstance(X, pd.DataFrame) or not X.shape[1]:
        raise InputError(
            f"X is {type(X).__name__}: pass a DataFrame of simple returns whose columns are sectors (after "
            "transformers: sklearn.set_config(transform_output='pandas'))"
        )
    names = [str(name) for name in X.columns]
    if len(set(names)) < len(names):
        raise InputError(
            f"X has a column twice: {sorted({n for n in names if names.count(n) > 1})}; keep one of each"
        )
    return names


def _warn_look_ahead(index: pd.Index[Any], model: ScenarioGenerator) -> None:
    last = model.training_window_[1]
    if isinstance(index, pd.DatetimeIndex) and len(index) and index[-1] < last:
        warnings.warn(
            f"X ends on {index[-1]:%Y-%m-%d} but the model was trained on data to {last:%Y-%m-%d}: whatever is tested "
            "between the two is not out of sample (refit=True trains on X alone)",
            LookAheadWarning,
            stacklevel=3,
        )


def _check_horizon(horizon: Any, n_days: int) -> None:
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or not 1 <= horizon <= n_days:
        raise InputError(
            f"horizon_days={horizon!r} does not fit a script of {n_days} days: pass a whole number from 1 to {n_days}"
        )


def _places(n: int, n_places: int, seed: int) -> NDArray[np.int64]:
    """First day of each row's window, (n,) in 0 .. n_places - 1, spread evenly for any n."""
    offset = np.random.default_rng([seed, 20]).random()
    return np.floor(np.mod(offset + GOLDEN * np.arange(n), 1.0) * n_places).astype(np.int64)
