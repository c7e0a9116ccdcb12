# SPDX-License-Identifier: Apache-2.0
"""The stress page: self-contained, true to the numbers, silent about what was not computed; figures; PDF."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spade_finance.exceptions import InputError
from spade_finance.scenarios import ScenarioSet
from spade_finance.stress import figures
from spade_finance.stress.counterfactual import counterfactual
from spade_finance.stress.dial import SeverityDial
from spade_finance.stress.executive import limits, summary_sentences
from spade_finance.stress.library import Scenario
from spade_finance.stress.nowcast import nowcast
from spade_finance.stress.page import rerun_command, stress_page
from spade_finance.stress.pdf import find_browser, write_pdf
from spade_finance.stress.portfolio import Portfolio
from spade_finance.stress.report import StressReport
from spade_finance.stress.reverse import reverse_stress
from spade_finance.stress.run import stress
from spade_finance.stress.spillover import spillover
from spade_finance.stress.views import entropy_pooling
from tests.finance.test_stress_nowcast import Toy as NowToy
from tests.finance.test_stress_reverse import Toy as ReverseToy

REGIMES, SECTORS = ("bull", "crisis"), ("Energy", "<Tech>", "Health Care")
BOOKS = {"Energy": 0.5, "<Tech>": 0.7}


class Sampled:
    """Sampling that the counterfactual needs: severity of the noise by script."""

    sectors_, regimes_ = SECTORS, REGIMES

    def sample(self, script: str, n_paths: int, seed: int, **_: object) -> ScenarioSet:
        scale = 0.02 if "crisis" in script else 0.01
        z = np.random.default_rng(seed).standard_normal((n_paths, 40, 3))
        return ScenarioSet.from_simple(
            np.clip(scale * z - scale / 20, -0.5, 1), SECTORS, REGIMES, np.r_[[0] * 20, [1] * 20]
        )


def parts(page: str) -> tuple[str, list[dict]]:
    """The page without the plotly bundle, and its figures."""
    bundle = re.search(r'<script id="plotly">.*?</script>', page, re.DOTALL)
    assert bundle is not None
    rest = page.replace(bundle.group(), "")
    found = re.findall(r'<script type="application/json" class="plot-data">(.*?)</script>', rest, re.DOTALL)
    return rest, [json.loads(f) for f in found]


@pytest.fixture(scope="module")
def plain() -> StressReport:
    return stress(Sampled().sample("crisis", 400, 1), BOOKS)


@pytest.fixture(scope="module")
def full(plain: StressReport) -> StressReport:
    severity = np.array([0.5, 0.7, 1.0, 1.2, 1.5])
    rows = [
        {"severity": s, "portfolio": "market", "trained": 0.7 <= s <= 1.2, "volatility": 0.4 * s, "volatility_se": 0.01,
         "mean_correlation": 0.5, "mean_correlation_se": 0.01, "es_97_5": 0.05 * s, "es_97_5_se": 0.001,
         "mean_return": -0.1 * s, "mean_return_se": 0.01, "median_return": -0.12 * s, "median_return_se": 0.01,
         "prob_loss_20": 0.2 * s, "prob_loss_20_se": 0.01}
        for s in severity
    ]  # fmt: skip
    days = pd.to_datetime(["2008-09-01", "2020-03-01"])
    real = pd.DataFrame({"start": days, "end": days + pd.Timedelta(days=30), "days": 22, "severity": [1.2, 1.3],
                         "in_training": [True, False], "volatility": [0.5, 0.6], "mean_correlation": [0.6, 0.7],
                         "es_97_5": [0.06, 0.08]})  # fmt: skip
    monotone = {"volatility": True, "mean_correlation": False, "es_97_5": True}
    dial = SeverityDial("crisis", pd.DataFrame(rows), real, monotone, 1.0, 0.9, (0.7, 1.2), 500, 60)
    name = plain.portfolios[0].name
    again = replace(
        plain,
        scenario=Scenario(
            "meltdown", "Meltdown & <script>", "First a calm, then not.", "bull:20,crisis:20", source="a book"
        ),
        dial=dial,
        counterfactual=counterfactual(Sampled(), "crisis:40", "bull:40", BOOKS, n_paths=300),
        spillover=spillover(Sampled().sample("crisis", 300, 2)),
        reverse=reverse_stress(ReverseToy(), 0.1, horizon=9, k=2, n_paths=1000, n_timelines=300),
        nowcast=nowcast(NowToy(), days=10, n_paths=400),
        analogue={name: {"2008-09-01..2008-10-27": np.linspace(1, 0.7, 41)}},
        notes=("something was left out.",),
        options={"scenario": {}, "own_history": True},
        provenance={
            "model_hash": "feedc0de",
            "seed": 7,
            "trained_on": "1990-01-03..2012-12-31",
            "versions": {},
        },
    )
    pooled = entropy_pooling(Sampled().sample("crisis", 400, 1), "return(market) = -5%", BOOKS)
    return replace(again, views=pooled)


@pytest.fixture(scope="module")
def page(full: StressReport) -> str:
    return stress_page(full)


def test_the_page_loads_nothing_and_holds_every_section(full: StressReport, page: str) -> None:
    rest, drawn = parts(page)
    assert page.count('<script id="plotly">') == 1
    assert not re.search(r"https?://|//cdn|<link(?! rel=\"icon\" href=\"data:)|\bsrc=|@import|url\(", rest)
    assert len(page) < 6_500_000
    assert len(drawn) == 10
    for heading in ("Summary", "Numbers", "Who loses it", "Drawdowns", "What the timeline alone does",
                    "Sectors in distress", "Severity dial", "Reverse stress test", "Nowcast", "Views", "Assumptions",
                    "Limits", "To run it again"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in rest
    assert "Meltdown &amp; &lt;script&gt;" in rest
    assert "<Tech>" not in rest
    assert "Note: something was left out." in rest
    assert "Not investment advice" in rest
    assert "<dd>feedc0de</dd>" in rest
    assert "spade-finance stress --rerun report.json --out again --history RETURNS" in rest
    assert "not monotone in mean correlation" in " ".join(limits(full))
    assert '<p class="out">Not monotone in mean correlation over the trained range' in rest
    assert "mean return, 60 days" in rest


def test_parts_that_were_not_computed_are_left_out(plain: StressReport) -> None:
    rest, drawn = parts(stress_page(plain))
    assert len(drawn) == 4
    for heading in (
        "Severity dial",
        "Reverse stress test",
        "Nowcast",
        "Sectors in distress",
        "Views",
        "To run it again",
    ):
        assert heading not in rest
    assert rerun_command(plain) is None


def test_the_page_prints_the_report_s_numbers(full: StressReport, page: str) -> None:
    rest, _ = parts(page)
    value, error = full.number("es", 0.975, 10)
    row = re.search(
        r"<tr><td>ES 97.5 %, 10 days</td><td>([\d.]+) % <span class=\"se\">± ([\d.]+)</span>", rest
    )
    assert row is not None
    assert float(row[1]) == pytest.approx(100 * value, abs=0.051)
    assert float(row[2]) == pytest.approx(100 * error, rel=0.2)
    said = " ".join(summary_sentences(full))
    mean, _ = full.number("return")
    assert f"{100 * abs(mean):.1f}" in said
    assert "loses" in said
    first = full.reverse.scenarios[0]
    assert first.narrative in said
    assert first.narrative in rest
    assert first.script in rest
    assert full.nowcast.headline in said


def test_every_portfolio_has_its_own_pages() -> None:
    both = stress(
        Sampled().sample("crisis", 60, 1),
        [Portfolio({"Energy": 1.0}, name="one"), Portfolio({"<Tech>": -0.5}, name="two")],
    )
    rest, drawn = parts(stress_page(both))
    assert len(drawn) == 8
    assert rest.count("<h2>Numbers</h2>") == 2
    assert figures.fan(both, "two").layout.title.text.startswith("Value of two")
    with pytest.raises(InputError, match="three"):
        figures.fan(both, "three")


def test_figures_hold_the_numbers(full: StressReport) -> None:
    losses = figures.losses(full)
    bars = next(t for t in losses.data if t.type == "bar")
    assert sum(bars.y) == pytest.approx(100.0)
    marks = {t.name.split(":")[0]: t.x[0] for t in losses.data if t.name and ":" in t.name}
    assert marks["ES 97.5 %"] == pytest.approx(100 * full.number("es", 0.975)[0])
    parts_ = [t for t in figures.contributions(full).data if t.type == "bar"]
    assert sum(parts_[0].x) == pytest.approx(100 * full.number("return")[0])
    assert sum(parts_[1].x) == pytest.approx(100 * full.number("es", 0.975)[0])
    fan = figures.fan(full)
    median = next(t for t in fan.data if t.name == "median")
    assert median.y[-1] == pytest.approx(100 * full.fans[full.portfolios[0].name]["p50"].iloc[-1])
    assert any(str(t.name).startswith("real, 2008") for t in fan.data)
    ways = [t for t in figures.reverse_paths(full.reverse).data if str(t.name).startswith("way")]
    assert [t.y[-1] for t in ways] == pytest.approx([100 * s.value[-1] for s in full.reverse.scenarios])
    with pytest.raises(InputError, match="left out"):
        figures.dial(replace(full, dial=None))


def test_pdf_without_a_browser_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "a.html"
    page.write_text("<p>hello")
    monkeypatch.setenv("SPADE_BROWSER", "none")
    assert find_browser() is None
    assert not write_pdf(page, tmp_path / "a.pdf")
    monkeypatch.setenv("SPADE_BROWSER", "no-such-browser")
    assert not write_pdf(page, tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.skipif(os.name == "nt", reason="stand-ins are shell scripts")
@pytest.mark.parametrize(
    "body",
    [
        "exit 3",
        "sleep 30",
        "exit 0",
        'for a; do case $a in --print-to-pdf=*) echo no > "${a#*=}";; esac; done',
    ],
)
def test_a_browser_that_fails_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\n{body}\n")
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SPADE_BROWSER", str(browser))
    (tmp_path / "a.html").write_text("<p>hello")
    assert not write_pdf(tmp_path / "a.html", tmp_path / "a.pdf", timeout=0.3)
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.skipif(os.name == "nt", reason="stand-ins are shell scripts")
def test_the_browser_s_pdf_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "browser"
    browser.write_text(
        '#!/bin/sh\nfor a; do case $a in --print-to-pdf=*) printf "%%PDF-1.4 x" > "${a#*=}";; esac; done\n'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("SPADE_BROWSER", str(browser))
    (tmp_path / "a.html").write_text("<p>hello")
    assert write_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == b"%PDF-1.4 x"


@pytest.mark.slow
def test_a_real_browser_prints_the_page(full: StressReport, tmp_path: Path) -> None:
    if find_browser() is None:
        pytest.skip("no browser on this machine")
    (tmp_path / "a.html").write_text(stress_page(full), encoding="utf-8")
    assert write_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").stat().st_size > 50_000
