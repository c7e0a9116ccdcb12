# SPDX-License-Identifier: Apache-2.0
"""What stands beside the model's numbers: bootstrap, history, dial, counterfactual, spill-over, reverse, nowcast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.stress.counterfactual import Counterfactual, counterfactual
from spade_finance.stress.dial import SeverityDial, severity_dial
from spade_finance.stress.engine import Plan
from spade_finance.stress.history import LabelledHistory, episode_books, episode_rows, history_rows
from spade_finance.stress.library import Scenario
from spade_finance.stress.lineage import data_hash
from spade_finance.stress.numbers import Drawn, Gatherer, check_size, contributions_of, drawn_rows
from spade_finance.stress.spillover import Spillover, spillover
from spade_finance.stress.tables import Row, Writer

if TYPE_CHECKING:
    from spade_finance.stress.views import PooledScenarios

DIAL_PATHS, PAIR_PATHS, SPILLOVER_PATHS = 1000, 2000, 600
"""At most so many paths for the smaller parts; fewer when the report has fewer."""
REVERSE_PATHS, NOWCAST_PATHS = (1000, 12_000), (100, 5000)
"""Fewest and most paths of these, between which they follow the report's."""
YEAR = 252


class Beside:
    """One report's inputs, and its parts one after the other."""

    def __init__(
        self,
        model: Any,
        scenario: Scenario,
        plan: Plan,
        n_paths: int,
        seed: int,
        history: pd.DataFrame | None,
        sampling: Mapping[str, Any],
        parts: tuple[str, ...],
        tell: Callable[[str, int, int], None],
        *,
        keep_all: bool = False,
    ) -> None:
        self.model, self.scenario, self.plan = model, scenario, plan
        self.n_paths, self.seed, self.sampling, self.parts, self.tell = (
            n_paths,
            seed,
            dict(sampling),
            parts,
            tell,
        )
        self.notes: list[str] = []
        self.sources: dict[str, Drawn] = {}
        self.analogue: dict[str, dict[str, Any]] = {}
        self.history_facts: dict[str, Any] = {}
        self.given_history = history
        self.timeline = self._timeline()
        self.history = self._history()
        self.kept: list[Any] = []
        self.room = n_paths if keep_all else min(SPILLOVER_PATHS, n_paths)

    # -- the scenario

    def draw(self) -> tuple[Drawn, dict[str, Any]]:
        """The model's paths, and with them the bootstrap's under the same timelines."""
        bootstrap = self._bootstrap()
        gather, other = Gatherer(self.plan), Gatherer(self.plan)
        provenance: dict[str, Any] = {}
        room = self.room
        done = 0
        self.tell("paths", 0, self.n_paths)
        for number, batch in enumerate(
            self.model.sample_batches(self.scenario.script, self.n_paths, self.seed, **self.sampling)
        ):
            if number == 0:
                check_size(self.n_paths, batch.n_days, len(self.plan.portfolios) * (1 + bool(bootstrap)))
                provenance = dict(batch.provenance)
                bootstrap = self._able(bootstrap, batch.codes)
            gather.add(batch.simple_array, batch.codes)
            if room > 0:
                self.kept.append(batch if batch.n_paths <= room else batch.subset(slice(0, room)))
                room -= batch.n_paths
            if bootstrap is not None:
                drawn = bootstrap.sample(
                    batch.codes, batch.n_paths, np.random.default_rng([self.seed, 1, number])
                )
                other.add(drawn.simple_array, drawn.codes)
            done += batch.n_paths
            self.tell("paths", done, self.n_paths)
        self.sources["model"] = gather.done()
        if bootstrap is not None:
            self.sources["block_bootstrap"] = other.done()
        return self.sources["model"], provenance

    def rows(self, drawn: Drawn) -> tuple[list[Row], list[dict[str, Any]]]:
        """Rows and contributions of the bootstrap and of history."""
        rows: list[Row] = []
        splits: list[dict[str, Any]] = []
        regimes = self.model.regimes_
        if "block_bootstrap" in self.sources:
            other = self.sources["block_bootstrap"]
            rows += drawn_rows(other, self.plan, regimes, "block_bootstrap")
            splits += contributions_of(other, self.plan, regimes, "block_bootstrap")
        if self.history is None or "history" not in self.parts:
            return rows, splits
        self.tell("history", 0, 1)
        n_days = drawn.books[0].wealth.shape[1] - 1
        held = [int(k) for k in np.unique(drawn.codes)]
        named = self.history.episodes(self.scenario.ranges)
        outside = len(self.scenario.ranges) - len(named)
        if outside:
            self.notes.append(
                f"{outside} of the scenario's episodes lie outside the history ({self.history.span}) and are left out"
            )
        books = episode_books(self.history, named, self.plan) if named else []
        for i, portfolio in enumerate(self.plan.portfolios):
            write = Writer(portfolio.name, "history", n_days, None)
            rows += history_rows(self.history, self.plan, i, regimes, write, held)
            if books:
                rows += episode_rows(list(books[i].values()), write)
                self.analogue[portfolio.name] = {name: b.wealth[0] for name, b in books[i].items()}
        for name, rows_of in named.items():
            length = rows_of.stop - rows_of.start
            if length != n_days:
                self.notes.append(
                    f"history's analogue {name} has {length} days, the scenario {n_days}: its return and drawdowns "
                    "are over its own length"
                )
        if not named:
            self.notes.append("the scenario names no real episode: history stands beside it by regime only")
        self.tell("history", 1, 1)
        return rows, splits

    def pooled(self, views: Sequence[str]) -> PooledScenarios | None:
        """The model's paths reweighted so that views hold; none without views."""
        if not views:
            return None
        from spade_finance.scenarios import ScenarioSet
        from spade_finance.stress.views import entropy_pooling

        self.tell("views", 0, 1)
        self.kept = [ScenarioSet.concat(self.kept)]
        found = entropy_pooling(self.kept[0], list(views), self.plan.portfolios[0])
        self.tell("views", 1, 1)
        return found

    # -- the smaller parts

    def dial(self, drawn: Drawn) -> SeverityDial | None:
        """Calibration of the severity of the worst regime that the scenario holds."""
        if "dial" not in self.parts or not hasattr(self.model, "severity_range_"):
            return None
        self.tell("severity dial", 0, 1)
        regime = self.model.regimes_[int(drawn.codes.max())]
        found = severity_dial(
            self.model, list(self.plan.portfolios), regime=regime, n_paths=min(DIAL_PATHS, self.n_paths),
            seed=self.seed, history=self.history,
        )  # fmt: skip
        self.tell("severity dial", 1, 1)
        return found

    def counterfactual(self, n_days: int) -> Counterfactual | None:
        """The same noise under another timeline."""
        if "counterfactual" not in self.parts:
            return None
        self.tell("counterfactual", 0, 1)
        against: Any = self.scenario.against
        if not against:
            alone = self.timeline is not None and self.timeline.has_override.any()
            against = _market_only(self.timeline) if alone else f"{self.model.regimes_[0]}:{n_days}"
        found = counterfactual(
            self.model, self._again, against, list(self.plan.portfolios),
            n_paths=min(PAIR_PATHS, self.n_paths), seed=self.seed, **self.sampling_again,
        )  # fmt: skip
        if isinstance(against, str):
            found = replace(found, against=against)
        found = replace(found, script=self.scenario.script)
        self.tell("counterfactual", 1, 1)
        return found

    def spillover(self) -> Spillover | None:
        """Spill-over between sectors, on the first of the paths."""
        if "spillover" not in self.parts or len(self.model.sectors_) < 2:
            return None
        from spade_finance.scenarios import ScenarioSet

        self.tell("spill-over", 0, 1)
        scenarios = self.kept[0] if len(self.kept) == 1 else ScenarioSet.concat(self.kept)
        if scenarios.n_paths > SPILLOVER_PATHS:
            scenarios = scenarios.subset(slice(0, SPILLOVER_PATHS))
        without = None
        if self.timeline is not None and self.timeline.has_override.any():
            without = self.model.sample(
                _market_only(self.timeline), scenarios.n_paths, self.seed, **self.sampling_again
            )
        found = spillover(scenarios, self.history, timeline=self.timeline, without=without, seed=self.seed)
        self.tell("spill-over", 1, 1)
        return found

    def reverse(self, loss: float, horizon: int) -> Any:
        """Likeliest ways for the first portfolio to lose so much over so many days."""
        if "reverse" not in self.parts:
            return None
        if not hasattr(self.model, "sample_tilted"):
            self.notes.append("no reverse stress test: this model cannot tilt its noise")
            return None
        from spade_finance.stress.reverse import reverse_stress

        return reverse_stress(
            self.model, loss, portfolio=self.plan.portfolios[0], horizon=horizon, random_state=self.seed,
            n_paths=int(np.clip(self.n_paths, *REVERSE_PATHS)),
            history=self.given_history, progress=lambda done, total: self.tell("reverse stress", done, total),
        )  # fmt: skip

    def nowcast(self) -> Any:
        """The next quarter from the history's last day."""
        if "nowcast" not in self.parts:
            return None
        if not hasattr(self.model, "history"):
            self.notes.append("no nowcast: this model has no history")
            return None
        from spade_finance.stress.nowcast import nowcast

        try:
            return nowcast(
                self.model, portfolio=self.plan.portfolios[0], random_state=self.seed, history=self.given_history,
                n_paths=int(np.clip(self.n_paths, *NOWCAST_PATHS)),
                progress=lambda done, total: self.tell("nowcast", done, total),
            )  # fmt: skip
        except InputError as error:
            self.notes.append(f"no nowcast: {error}")
            return None

    # -- what they stand on

    @property
    def _again(self) -> Any:
        """The scenario for further draws: resolved where it can be, so that history is not labelled again."""
        return self.scenario.script if self.timeline is None else self.timeline

    @property
    def sampling_again(self) -> dict[str, Any]:
        """Options that go with it; its severities were accepted when the paths were drawn."""
        if self.timeline is None or self.sampling.get("start_vol") == "last":
            return self.sampling | {"extrapolate": True}
        return {k: v for k, v in self.sampling.items() if k != "history"} | {"extrapolate": True}

    def _timeline(self) -> Any:
        """The timeline, where it is the same for all paths; bad scripts are refused here, before any work."""
        from spade_finance.regimes.script import parse_script

        model = self.model
        parsed = parse_script(self.scenario.script, regimes=model.regimes_, sectors=model.sectors_)
        if self.scenario.against:
            parse_script(self.scenario.against, regimes=model.regimes_, sectors=model.sectors_)
        if parsed.is_random:
            return None
        past = model.history(self.given_history).timeline if parsed.needs_history else None
        return parsed.resolve(model.regimes_, model.sectors_, past)

    def _history(self) -> LabelledHistory | None:
        wanted = {"block_bootstrap", "history", "dial", "spillover"} & set(self.parts)
        if not wanted:
            return None
        try:
            found = LabelledHistory.of_model(self.model, self.given_history)
        except InputError as error:
            if self.given_history is not None:
                raise
            self.notes.append(f"no history beside the model: {error}")
            return None
        self.history_facts = {
            "history": "the model's own" if self.given_history is None else "given",
            "history_span": found.span,
            "history_hash": data_hash(found.returns if self.given_history is None else self.given_history),
        }
        return found

    def _bootstrap(self) -> Any:
        """Bootstrap of what the model was trained on, as far as the history has it."""
        if "block_bootstrap" not in self.parts or self.history is None:
            return None
        from spade_finance.baselines import make_baseline

        first, last = (pd.Timestamp(day) for day in self.model.training_window_)
        rows = self.history.returns.loc[first:last]
        if len(rows) < YEAR:
            rows = self.history.returns
            self.notes.append(
                "the block bootstrap draws from all of the history: it has no year of the training window"
            )
        self.history_facts["bootstrap_from"] = f"{rows.index[0]:%Y-%m-%d}..{rows.index[-1]:%Y-%m-%d}"
        return make_baseline("block_bootstrap").fit(rows, self.history.labels)

    def _able(self, bootstrap: Any, codes: Any) -> Any:
        """The bootstrap if it has seen every regime of the timeline; a note on what it does not do."""
        if bootstrap is None:
            return None
        unseen = np.setdiff1d(np.unique(codes), np.unique(bootstrap.codes_))
        if len(unseen):
            names = ", ".join(self.model.regimes_[k] for k in unseen)
            self.notes.append(f"no block bootstrap: the training history has no day of {names}")
            return None
        ignored = []
        if self.timeline is not None:
            ignored += ["severities"] if (self.timeline.severity != 1).any() else []
            ignored += ["sectors' own regimes"] if self.timeline.has_override.any() else []
        if ignored:
            self.notes.append(
                f"the block bootstrap knows regimes only: it ignores the script's {' and '.join(ignored)}"
            )
        return bootstrap


def _market_only(timeline: Any) -> Any:
    """The timeline with every sector back with the market."""
    return type(timeline)(timeline.regimes, timeline.weights, timeline.severity, timeline.sectors)
