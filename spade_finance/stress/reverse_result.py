# SPDX-License-Identifier: Apache-2.0
"""`ReverseStress`: what a reverse stress test found, with the stories in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.stress.money import run_book
from spade_finance.stress.narrative import percent, spells_of, tell_loss, tell_path
from spade_finance.stress.portfolio import Portfolio

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.regimes import RegimeTimeline

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ReverseScenario:
    """One way to lose as much, with its representative path.

    Attributes
    ----------
    rank : int, 1 is the likeliest
    narrative : str
        ``18 days of bear, then 9 of crisis led by Financials``; ``detail`` says where the money went.
    spells : tuple of str
        Regimes passed through, in order.
    probability, probability_error : of the story, P(c); the error is 0 where the sum is exact
    breach, breach_error : P(loss | c)
    ess, n_breaches : effective and plain number of breaching paths behind `breach`
    joint, joint_error : P(c) P(loss | c)
    plausibility, plausibility_error : the story's share of all ways to lose as much
    script : str
        Timeline of the representative path with its severities, ready for ``--regimes`` and ``--scenario``.
    codes : (T,) int; value : (T + 1,) value of 1 invested; returns : DataFrame (T, S) of simple returns
    contributions : Series (S,) profit by sector in points of capital, adding up to ``value[-1] - 1``
    loss : float, that of the representative path
    """

    rank: int
    narrative: str
    detail: str
    spells: tuple[str, ...]
    probability: float
    probability_error: float
    breach: float
    breach_error: float
    ess: float
    n_breaches: int
    joint: float
    joint_error: float
    plausibility: float
    plausibility_error: float
    severity_rank: float
    script: str
    codes: NDArray[np.int8] = field(repr=False)
    value: Array = field(repr=False)
    returns: pd.DataFrame = field(repr=False)
    contributions: pd.Series = field(repr=False)
    timeline: RegimeTimeline = field(repr=False)

    @property
    def loss(self) -> float:
        """Loss of the representative path at the horizon, decimal."""
        return 1.0 - float(self.value[-1])


@dataclass(frozen=True)
class ReverseStress:
    """Result of :func:`~spade_finance.stress.reverse.reverse_stress`.

    Attributes
    ----------
    loss, horizon, portfolio, start : as asked
    probability, std_error : P(loss >= X) over the horizon
    ess : effective number of breaching paths behind it
    scenarios : tuple of ReverseScenario, likeliest first
    severities : dict rank -> severity of each regime
    """

    loss: float
    horizon: int
    portfolio: Portfolio
    start: str | None
    probability: float
    std_error: float
    ess: float
    n_paths: int
    n_stories: int
    scenarios: tuple[ReverseScenario, ...]
    regimes: tuple[str, ...]
    sectors: tuple[str, ...]
    severities: dict[str, list[float]]
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of P(loss >= X) that the ranked scenarios explain."""
        return float(sum(s.plausibility for s in self.scenarios))

    @property
    def table(self) -> pd.DataFrame:
        """One row a scenario: narrative, probabilities with their standard errors, plausibility."""
        fields = (
            "narrative", "plausibility", "plausibility_error", "probability", "probability_error", "breach",
            "breach_error", "joint", "joint_error", "ess", "n_breaches", "loss", "script",
        )  # fmt: skip
        rows = [{name: getattr(s, name) for name in fields} for s in self.scenarios]
        index = pd.Index([s.rank for s in self.scenarios], name="rank")
        return pd.DataFrame(rows, index=index, columns=list(fields))

    @property
    def headline(self) -> str:
        """P(loss >= X) in a sentence."""
        where = {None: "", "now": ", from where the history ends"}.get(
            self.start, f", a {self.start} just begun"
        )
        text = (
            f"P(losing {percent(self.loss, 0)} or more over {self.horizon} trading days{where}) = "
            f"{percent(self.probability, 2)} ± {percent(self.std_error, 2)}"
        )
        if not self.scenarios:
            return text + "; no sampled path lost as much."
        n = len(self.scenarios)
        return text + f"; the {n} likeliest {'ways' if n > 1 else 'way'} make {percent(self.share, 0)} of it."

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = [{str(k): v for k, v in row.items()} for row in self.table.reset_index().to_dict("records")]
        for row, s in zip(rows, self.scenarios, strict=True):
            row["detail"] = s.detail
            row["contributions"] = {str(name): float(v) for name, v in s.contributions.items()}
        return {
            "loss": self.loss, "horizon_days": self.horizon, "portfolio": self.portfolio.name, "start": self.start,
            "probability": self.probability, "std_error": self.std_error, "ess": self.ess,
            "n_paths": self.n_paths, "n_stories": self.n_stories, "share_explained": self.share,
            "severities": self.severities, "scenarios": rows, "provenance": self.provenance,
        }  # fmt: skip

    def plot(self) -> go.Figure:
        """Representative paths of the scenarios."""
        from spade_finance.stress import figures

        return figures.reverse_paths(self)

    def __repr__(self) -> str:
        lines = [f"ReverseStress({self.portfolio.name}): {self.headline}"]
        for s in self.scenarios:
            lines.append(
                f"{s.rank}. {s.narrative} — {percent(s.plausibility, 0)} ± {percent(s.plausibility_error, 0)} of it "
                f"(P {percent(s.probability, 2)} x {percent(s.breach, 1)} ± {percent(s.breach_error, 1)}, "
                f"{s.ess:.0f} effective paths)"
            )
        return "\n".join(lines)


def story(
    *, codes: NDArray[np.int8], value: Array, simple: NDArray[np.float32], book: Portfolio,
    regimes: tuple[str, ...], sectors: tuple[str, ...], severities: Array, spells: tuple[int, ...], **numbers: Any,
) -> ReverseScenario:  # fmt: skip
    """A scenario with its narrative, from the representative path's codes (T,), values and returns (T, S)."""
    from spade_finance.regimes import RegimeTimeline

    held = spells_of(codes, regimes)
    index = np.repeat(np.arange(len(held)), [s.days for s in held])
    by_spell = run_book(simple[None], index, len(held), book, sectors).contributions[0]
    # Three digits: what the script says is what a rerun takes.
    timeline = RegimeTimeline.from_codes(codes, regimes, sectors, severity=np.round(severities, 3)[codes])
    return ReverseScenario(
        narrative=tell_path(codes, regimes, by_spell, sectors),
        detail=tell_loss(codes, regimes, by_spell, sectors),
        spells=tuple(regimes[c] for c in spells),
        script=timeline.to_script(), codes=codes, value=value, timeline=timeline,
        returns=pd.DataFrame(simple, columns=list(sectors)),
        contributions=pd.Series(by_spell.sum(0), index=list(sectors)),
        **numbers,
    )  # fmt: skip
