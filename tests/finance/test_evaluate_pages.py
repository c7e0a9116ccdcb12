# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re

import numpy as np
import pytest

from spade_finance.evaluate import evaluate, regime_table, write_demo_report
from spade_finance.exceptions import InputError
from spade_finance.reports.html import embedded, provenance_rows
from tests.finance.evaluation_doubles import DoubleModel, make_labels, make_returns

RETURNS = make_returns(1400)
LABELS = make_labels(RETURNS)
TRAINING, HELD_OUT = RETURNS.iloc[:900], RETURNS.iloc[900:]
MODEL = DoubleModel(RETURNS, LABELS, 900)
SCENARIOS = MODEL.baseline.sample("bull:40,crisis:30,bear:20", 60, 0)


def parts(page: str) -> tuple[str, list[dict]]:
    """The page without the plotly bundle, and its figures."""
    bundle = re.search(r'<script id="plotly">.*?</script>', page, re.DOTALL)
    assert bundle is not None
    rest = page.replace(bundle.group(), "")
    figures = re.findall(r'<script type="application/json" class="plot-data">(.*?)</script>', rest, re.DOTALL)
    return rest, [json.loads(f) for f in figures]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("demo") / "report.html"
    log = [{"step": i, "loss": 1 / (i + 1), "val_score": 2.0} for i in range(5)]
    info = {"model": "default", "model_hash": "feedc0de", "training_log": log, "note": "<b>5 < 6</b>"}
    write_demo_report(SCENARIOS, TRAINING, LABELS, HELD_OUT, LABELS, path, model_info=info)
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def evaluation() -> str:
    return evaluate(
        MODEL, RETURNS, "block_bootstrap", n_replicates=6, n_resamples=16, sections="none"
    ).to_html()


@pytest.mark.parametrize("which", ["demo", "evaluation"])
def test_page_loads_nothing_and_holds_plotly_once(which, request):
    page = request.getfixturevalue(which)
    rest, figures = parts(page)
    assert page.count('<script id="plotly">') == 1
    assert "plotly.js v" in page
    assert not re.search(r"https?://|//cdn|<link(?! rel=\"icon\" href=\"data:)|\bsrc=|@import|url\(", rest)
    assert len(page) < 6_000_000
    assert len(figures) >= 4
    for figure in figures:
        assert figure["data"]
        assert "</" not in json.dumps(figure)


@pytest.mark.parametrize("which", ["demo", "evaluation"])
def test_page_says_what_it_must(which, request):
    rest, _ = parts(request.getfixturevalue(which))
    assert "Not investment advice" in rest
    assert "prefers-color-scheme: dark" in rest
    assert 'name="viewport"' in rest
    assert "tabular-nums" in rest
    assert "plotly" in rest  # versions in the provenance block


def test_demo_prints_its_table_and_provenance(demo):
    rest, figures = parts(demo)
    table = regime_table(SCENARIOS, {"held-out": (HELD_OUT, LABELS), "training": (TRAINING, LABELS)})
    cell = table.summary().loc[("crisis", "generated"), "volatility % a year"]
    value, error = cell.split(" ± ")
    assert f'<td>{value} <span class="se">± {error}</span></td>' in rest
    assert "bull:40,crisis:30,bear:20" in rest
    assert "<dd>feedc0de</dd>" in rest
    assert "&lt;b&gt;5 &lt; 6&lt;/b&gt;" in rest  # escaped
    assert '<span class="dot" style="background:#D55E00"></span>crisis' in rest
    assert "sideways</td>" not in rest  # not in the script
    assert any(trace.get("name") == "val_score" for f in figures for trace in f["data"])


def test_demo_says_whether_regimes_are_the_same(demo, tmp_path):
    assert "part of the difference is that mix" in demo
    same = MODEL.baseline.sample(LABELS.codes[900:], 8, 1)
    write_demo_report(SCENARIOS, TRAINING, LABELS, HELD_OUT, LABELS, tmp_path / "r.html", comparison=same)
    assert "Generated under the same regimes" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_evaluation_page_marks_what_lies_outside(evaluation):
    rest, _ = parts(evaluation)
    assert "▲" in rest or "▼" in rest
    assert '<span class="mark">in loss</span>' in rest
    assert rest.count("<details") == 4  # market and three sectors


def test_timelines_by_path_make_a_report_too(tmp_path):
    codes = np.random.default_rng(0).integers(0, 4, (20, 60))
    drawn = MODEL.baseline.sample(codes, 20, 0)
    write_demo_report(drawn, TRAINING, LABELS, HELD_OUT, LABELS, tmp_path / "r.html")
    rest, _ = parts((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "the share of paths in each" in rest
    assert re.search(r"<li>crisis \d+ % of days</li>", rest)


def test_wrong_columns_write_nothing(tmp_path):
    fewer = HELD_OUT[["Sector1", "Sector2"]]
    with pytest.raises(InputError, match="Sector3"):
        write_demo_report(SCENARIOS, TRAINING, LABELS, fewer, LABELS, tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_figure_text_cannot_close_its_script_element():
    import plotly.graph_objects as go

    made = embedded(go.Figure(go.Scatter(x=[1], y=[2], name="</script><b>"), {"title": {"text": "a </b"}}))
    assert "</" not in made["json"]
    assert json.loads(made["json"])["data"][0]["name"] == "</script><b>"
    assert made["title"] == "a </b"


def test_provenance_leaves_out_what_is_unknown():
    rows = dict(provenance_rows({"model_hash": None, "seed": 0}))
    assert "model hash" not in rows
    assert rows["seed"] == "0"
    assert "spade-finance" in rows["versions"]
