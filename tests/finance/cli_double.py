# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the trained generator: Gaussian returns, the real script grammar, nothing learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from spade_finance.regimes import RegimeLabels, parse_script
from spade_finance.scenarios import ScenarioSet, business_days

REGIMES = ("bull", "sideways", "bear", "crisis")
DAILY_VOLATILITY = np.array([0.006, 0.009, 0.013, 0.03])
BATCH = 64


class Generator:
    """Answers to the names that the command line uses."""

    sectors_: tuple[str, ...] = (
        "ConsDisc",
        "ConsStaples",
        "Energy",
        "Financials",
        "HealthCare",
        "Industrials",
        "InfoTech",
    )
    regimes_ = REGIMES
    training_window_ = (pd.Timestamp("2000-01-03"), pd.Timestamp("2012-12-31"))
    curve_: tuple[dict[str, float], ...] = ()
    card_ = "# The double\n\nKnows nothing."
    calls: ClassVar[list[tuple[str, Any]]] = []
    ends = "finished"
    asked: ClassVar[dict[str, Any]] = {}

    def __init__(self, preset: str = "default", random_state: int = 0) -> None:
        self.preset, self.random_state = preset, random_state

    @classmethod
    def load(cls, folder: Any = "default") -> Generator:
        return cls()

    def sample_batches(
        self, script: Any, n_paths: int, random_state: int = 0, **options: Any
    ) -> Iterator[ScenarioSet]:
        type(self).asked = options
        if isinstance(script, str):
            parsed = parse_script(script, regimes=self.regimes_, sectors=self.sectors_)
            timeline = parsed.resolve(self.regimes_, self.sectors_, None)
        else:
            timeline = script
        start = options.get("start")
        dates = None if start is None else business_days(start, timeline.n_days)
        return self._batches(timeline, n_paths, random_state, dates, str(script))

    def _batches(
        self, timeline: Any, n_paths: int, seed: int, dates: Any, script: str
    ) -> Iterator[ScenarioSet]:
        for first in range(0, n_paths, BATCH):
            rows = range(first, min(first + BATCH, n_paths))
            shape = (timeline.n_days, len(self.sectors_))
            draws = np.stack([np.random.default_rng([seed, i]).standard_normal(shape) for i in rows])
            common = np.stack([np.random.default_rng([seed, i, 1]).standard_normal(shape[0]) for i in rows])
            z = 0.7 * common[..., None] + 0.7 * draws
            yield ScenarioSet(
                z * DAILY_VOLATILITY[timeline.codes][:, None],
                self.sectors_,
                self.regimes_,
                timeline.codes,
                dates=dates,
                provenance={"model_hash": "d0b1e", "script": script, "seed": seed, "version": "test"},
            )

    def sample(self, script: Any, n_paths: int = 1000, random_state: int = 0, **options: Any) -> ScenarioSet:
        return ScenarioSet.concat(list(self.sample_batches(script, n_paths, random_state, **options)))

    def label(self, returns: pd.DataFrame) -> RegimeLabels:
        spread = returns.mean(axis=1).rolling(60, min_periods=1).std().fillna(0.0)
        codes = np.digitize(spread, spread.quantile([0.4, 0.7, 0.9]))
        return RegimeLabels.from_codes(codes, REGIMES, pd.DatetimeIndex(returns.index))

    def describe(self) -> dict[str, Any]:
        return {
            "model_hash": "d0b1e",
            "regimes": list(self.regimes_),
            "sectors": list(self.sectors_),
            "training_window": ["2000-01-03", "2012-12-31"],
            "severity_range": [0.6, 1.9],
            "parameters": 12345,
            "architecture": {"channels": 1},
            "regime_summary": [{"regime": "bull"}],
            "limits": ["none of this is real"],
        }

    def fit(self, returns: pd.DataFrame, labels: Any = None, **options: Any) -> Generator:
        kind = type(self)
        kind.calls.append(("fit", {"returns": returns, "labels": labels, "preset": self.preset, **options}))
        Path(options["checkpoint_dir"]).mkdir(parents=True, exist_ok=True)
        (Path(options["checkpoint_dir"]) / "state.safetensors").write_bytes(b"state")
        for step in (50, 100):
            options["progress"](
                SimpleNamespace(
                    step=step,
                    max_steps=100,
                    metrics={"loss": 1 / step, "validation": 0.5},
                    minutes=0.1,
                    minutes_left=0.2,
                )
            )
        self.training_result_ = {
            "reason": kind.ends,
            "steps": 100,
            "message": f"{kind.ends} at step 100 of 100",
        }
        if kind.ends == "signal":
            self.training_result_["message"] = "SIGINT received at step 100 of 100"
        return self

    def save(self, folder: Path) -> None:
        type(self).calls.append(("save", folder))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
