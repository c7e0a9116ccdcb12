# SPDX-License-Identifier: Apache-2.0
"""`RegimeTimeline`, `PathTimelines` and `History`: values, slices, files, severities, replay and now."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import date

import numpy as np
import pandas as pd
import pytest

from spade_finance.exceptions import InputError
from spade_finance.regimes.history import History, spell_ages
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.path_timelines import PathTimelines
from spade_finance.regimes.process import SemiMarkovProcess
from spade_finance.regimes.script import Hold, Script, ScriptError, State, parse_script
from spade_finance.regimes.timeline import MAX_DAYS, RegimeTimeline, check_severity

REGIMES = ("bull", "sideways", "bear", "crisis")
SECTORS = ("Energy", "Info Tech")


def timeline_of(text: str, history: History | None = None) -> RegimeTimeline:
    return parse_script(text, regimes=REGIMES, sectors=SECTORS).resolve(REGIMES, SECTORS, history)


# -- what the interface's examples mean ------------------------------------------------------------------


def test_sixty_days_bull_then_twenty_crisis_then_forty_bull() -> None:
    timeline = timeline_of("bull:60,crisis:20,bear:40")
    assert timeline.codes.tolist() == [0] * 60 + [3] * 20 + [2] * 40
    assert (timeline.severity == 1).all()
    assert (timeline.sector_codes == -1).all()
    assert timeline.is_hard


def test_a_severity_is_kept_on_its_days_only() -> None:
    assert timeline_of("bull:2,crisis*1.5:3").severity.tolist() == [1, 1, 1.5, 1.5, 1.5]


def test_a_blend_puts_k_over_n_plus_one_on_the_second() -> None:
    timeline = timeline_of("bear~crisis:10")
    np.testing.assert_array_equal(timeline.weights[:, 3], np.arange(1, 11) / 11)
    np.testing.assert_allclose(timeline.weights[:, 2], 1 - np.arange(1, 11) / 11)
    assert not timeline.is_hard
    assert timeline.codes.tolist() == [2] * 5 + [3] * 5


def test_severities_blend_geometrically() -> None:
    severity = timeline_of("bear*0.5~crisis*2:3").severity
    np.testing.assert_allclose(severity, [0.5**0.75 * 2**0.25, 1.0, 0.5**0.25 * 2**0.75], rtol=1e-11)


def test_an_override_leaves_the_market_and_comes_back() -> None:
    timeline = timeline_of("bull:250;Energy[100]=crisis*2:40,bear:20")
    assert (timeline.codes == 0).all()
    assert timeline.sector_codes[0].tolist() == [-1] * 100 + [3] * 40 + [2] * 20 + [-1] * 90
    assert (timeline.sector_codes[1] == -1).all()
    assert timeline.sector_severity[0, [99, 100, 139, 140, 160]].tolist() == [1, 2, 2, 1, 1]


def test_an_override_may_end_on_the_last_day_and_not_after() -> None:
    assert timeline_of("bull:50;Energy[10]=crisis:40").sector_codes[0, -1] == 3
    with pytest.raises(ScriptError, match="last step is 50, the script's 49"):
        timeline_of("bull:50;Energy[10]=crisis:41")


def test_forty_years_are_allowed_and_a_century_is_the_limit() -> None:
    assert timeline_of("bull:10080").n_days == 40 * 252
    assert timeline_of(f"bull:{MAX_DAYS}").n_days == MAX_DAYS == 100 * 252
    with pytest.raises(ScriptError, match="at most 25200 days"):
        timeline_of(f"bull:{MAX_DAYS},crisis:1")


# -- the value -------------------------------------------------------------------------------------------


def test_equality_is_by_value_and_the_digest_follows_it() -> None:
    a, b = timeline_of("bull:3,crisis:2"), timeline_of("bull:1,bull:2,crisis:2")
    assert a == b
    assert hash(a) == hash(b)
    assert a.digest() == b.digest()
    for other in ("bull:3,crisis*1.01:2", "bull:2,crisis:3", "bull:3,crisis:2;Energy[0]=bull:1"):
        assert timeline_of(other) != a
        assert timeline_of(other).digest() != a.digest()
    assert a != "bull:3,crisis:2"


def test_the_digest_is_the_same_on_every_machine() -> None:
    digest = timeline_of("bull*0.5~crisis*2:7,bear:3;Energy[2]=crisis*1.5:4").digest()
    assert digest == "6bc2158897c96977"


def test_arrays_are_copied_and_read_only() -> None:
    weights = np.eye(4)[[0, 1]]
    timeline = RegimeTimeline(REGIMES, weights)
    weights[0] = 0
    assert timeline.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        timeline.weights[0, 0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        timeline.regimes = ("a",)  # type: ignore[misc]


def test_codes_and_overrides_by_hand_equal_the_script() -> None:
    built = RegimeTimeline.from_codes(
        [0, 0, 3],
        REGIMES,
        SECTORS,
        severity=[1, 1, 2.0],
        sector_codes={"Info Tech": [-1, 2, 2]},
        sector_severity={"Info Tech": [1, 1.5, 1.5]},
    )
    assert built == timeline_of('bull:2,crisis*2:1;"Info Tech"[1]=bear*1.5:2')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros((2, 4))}, "sums to 0"),
        ({"weights": np.full((2, 4), 0.3)}, "sums to 1.2"),
        ({"weights": np.array([[1.5, -0.5, 0, 0]])}, "negative"),
        ({"weights": np.eye(3)}, r"shape \(3, 3\); expected \(T, 4\)"),
        ({"weights": np.zeros((0, 4))}, "0 days"),
        ({"weights": np.full((1, 4), np.nan)}, "not finite"),
        ({"weights": "bull"}, "must be numbers"),
        ({"severity": [1, 0]}, "must be positive"),
        ({"severity": [1]}, r"shape \(1,\); expected \(2,\)"),
        ({"severity": [1, np.inf]}, "not finite"),
        ({"sector_severity": [[1, 2], [1, 1]]}, "must be 1 on days"),
        ({"sector_weights": np.full((2, 2, 4), 0.2)}, "or 0 for with the market"),
        ({"regimes": ("bull", "bull", "bear", "crisis")}, "'bull' occurs twice"),
        ({"regimes": ("bull", "now", "bear", "crisis")}, "'now' is reserved"),
        ({"regimes": ("bull", "2x", "bear", "crisis")}, "'2x' is not a plain word"),
        ({"regimes": "bull"}, "lists of names"),
        ({"sectors": ("", "b")}, "is not a text"),
        ({"sectors": ("b", "b")}, "'b' occurs twice"),
    ],
)
def test_values_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    good = {"regimes": REGIMES, "weights": np.eye(4)[[0, 3]], "sectors": SECTORS}
    RegimeTimeline(**good)
    with pytest.raises(InputError, match=message):
        RegimeTimeline(**(good | change))


@pytest.mark.parametrize("codes", [[0, 4], [-1, 0], [0.0, 1.0], [[0, 1]]])
def test_codes_out_of_range_are_refused(codes: list) -> None:
    with pytest.raises(InputError, match="codes"):
        RegimeTimeline.from_codes(codes, REGIMES)


def test_slices_and_joins() -> None:
    timeline = timeline_of("bull:5,crisis*2:5;Energy[3]=bear:4")
    assert timeline.head(4) == timeline_of("bull:4;Energy[3]=bear:1")
    assert timeline[5:] == timeline_of("crisis*2:5;Energy[0]=bear:2")
    assert timeline.head(5).concat(timeline[5:7], timeline[7:]) == timeline
    for n in (0, 11, -1):
        with pytest.raises(InputError, match="n_days"):
            timeline.head(n)
    with pytest.raises(InputError, match="cannot be joined"):
        timeline.concat(RegimeTimeline.from_codes([0], REGIMES))


# -- back to text and into words -------------------------------------------------------------------------


def test_canonical_text_merges_equal_neighbours_and_sorts_overrides() -> None:
    timeline = timeline_of("bull:2, bull:3;Energy[2]=bear:1;Energy[0]=crisis*1.50:2")
    assert timeline.to_script() == "bull:5;Energy[0]=crisis*1.5:2,bear:1"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        (" bull : 060 ", "bull:60"),
        ("crisis * 10.0:3", "crisis*10:3"),
        ("crisis*1.50:3,bear*1:2", "crisis*1.5:3,bear:2"),
        ("crisis*.7:3", "crisis*0.7:3"),
        ("crisis*15e-1:3", "crisis*1.5:3"),
        ("bear * 1.2 ~ crisis:3", "bear*1.2~crisis:3"),
        ("markov( crisis ):5", "markov(crisis):5"),
        (
            'bull:9;"Energy"[ 1 ]=bear:1;"Info Tech"[0]=bear:1',
            'bull:9;Energy[1]=bear:1;"Info Tech"[0]=bear:1',
        ),
    ],
)
def test_canonical_spelling(typed: str, canonical: str) -> None:
    assert str(parse_script(typed, regimes=REGIMES, sectors=SECTORS)) == canonical


def test_soft_labels_that_no_script_writes_say_so() -> None:
    weights = np.array([[0.5, 0.3, 0.2, 0], [0.9, 0.1, 0, 0]])
    timeline = RegimeTimeline(REGIMES, weights)
    with pytest.raises(InputError, match=r"step 0 are no blend.*\.csv"):
        timeline.to_script()
    with pytest.raises(InputError, match="no blend"):
        timeline_of("bear~crisis:10").head(6).to_script()  # a blend cut short is not a blend
    huge = RegimeTimeline.from_codes([0], REGIMES, severity=[500.0])
    with pytest.raises(InputError, match=r"severity 500.*\.csv"):
        huge.to_script()


def test_a_soft_sector_is_named_with_its_step() -> None:
    own = np.zeros((2, 4, 4))
    own[1, 2] = [0.2, 0.3, 0.5, 0]
    timeline = RegimeTimeline(REGIMES, np.eye(4), None, SECTORS, own)
    with pytest.raises(InputError, match="of Info Tech at step 2"):
        timeline.to_script()


def test_in_words() -> None:
    told = timeline_of("bull:60,crisis*1.5:1,bear~crisis*2:10;Energy[5]=bear:4,bull:1").describe()
    assert told == (
        "60 days of bull, then 1 of crisis at severity 1.5, then 10 blending from bear to crisis at "
        "severity 2; Energy on its own from step 5: 4 days of bear, then 1 of bull"
    )
    soft = RegimeTimeline(REGIMES, [[0.5, 0.3, 0.2, 0], [0.9, 0.1, 0, 0], [0, 0, 0, 1]])
    assert soft.describe() == "2 days of soft labels, mostly bull, then 1 of crisis"
    many = timeline_of(",".join(["bull:1,crisis:1"] * 20))
    assert many.describe().endswith("then 28 more in 28 segments")
    assert repr(timeline_of("bull:1")) == "RegimeTimeline(1 day: 1 day of bull)"


def test_runs_cover_every_day_once() -> None:
    timeline = timeline_of("bull:60,crisis*1.5:20,bear~crisis:10,bull:3")
    found = timeline.segments()
    assert [(r.start, r.days, r.regime) for r in found] == [
        (0, 60, "bull"),
        (60, 20, "crisis"),
        (80, 10, "bear"),
        (90, 3, "bull"),
    ]
    assert found[2].state == State("bear", 1.0, "crisis", 1.0)


# -- the table and its file ------------------------------------------------------------------------------


def test_the_table_of_hard_labels(tmp_path) -> None:
    timeline = timeline_of('bull:1,crisis*1.5:2;"Info Tech"[1]=bear*2:1')
    path = tmp_path / "timeline.csv"
    timeline.save(path)
    assert path.read_text() == (
        "step,regime,severity,sector:Info Tech,sector_severity:Info Tech\n"
        "0,bull,1.0,,1.0\n1,crisis,1.5,bear,2.0\n2,crisis,1.5,,1.0\n"
    )
    assert RegimeTimeline.load(path, REGIMES, SECTORS) == timeline


def test_a_table_written_by_hand(tmp_path) -> None:
    path = tmp_path / "my timeline.csv"
    path.write_text("\ufeffstep,regime,sector:Energy\n0, bull ,\n1,crisis,bear\n\n")
    script = parse_script(str(path), regimes=REGIMES, sectors=SECTORS)
    assert str(script) == str(path)
    assert not script.is_random
    assert script.n_days() == 2
    assert script.resolve(REGIMES, SECTORS) == timeline_of("bull:1,crisis:1;Energy[1]=bear:1")
    assert parse_script(path, regimes=REGIMES, sectors=SECTORS) == script
    with pytest.raises(ScriptError, match="reread it"):
        script.resolve(REGIMES, ("Energy",))


def test_rounded_probabilities_are_rescaled_and_wrong_ones_refused() -> None:
    frame = pd.DataFrame(
        {"step": [0], "p_bull": [0.333], "p_sideways": [0.333], "p_bear": [0.333], "p_crisis": [0]}
    )
    np.testing.assert_allclose(RegimeTimeline.from_frame(frame, REGIMES).weights, [[1 / 3, 1 / 3, 1 / 3, 0]])
    frame["p_crisis"] = 0.1
    with pytest.raises(InputError, match=r"step 0: p_bull ... p_crisis sum to 1.099"):
        RegimeTimeline.from_frame(frame, REGIMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("step,regime\n", "0 rows"),
        ("regime\nbull\n", "lacks the column 'step'"),
        ("step,severity\n0,1\n", "lacks the column 'regime'"),
        ("step,regime\n1,bull\n", "step '1'; steps count 0, 1, 2"),
        ("step,regime\n0,bull\n2,bull\n", "row 1 has step '2'"),
        ("step,regime\n0,bull\nx,bull\n", "column 'step' holds 'x'; expected a number"),
        (
            "step,regime\n0,Crisi\n",
            "step 0 column 'regime' holds 'Crisi'; known regimes: .*did you mean 'crisis'",
        ),
        ("step,regime\n0,\n", "step 0 column 'regime' holds ''"),
        ("step,regime,severity\n0,bull,0\n", "column 'severity' holds 0; expected a positive number"),
        ("step,regime,severity\n0,bull,nan\n", "expected a positive number"),
        ("step,regime,severity\n0,bull,high\n", "holds 'high'; expected a number"),
        (
            "step,regime,sector:Enrgy\n0,bull,bear\n",
            "unknown column 'sector:Enrgy'.*did you mean 'sector:Energy'",
        ),
        ("step,regime,date\n0,bull,2020-01-01\n", "unknown column 'date'"),
        ("step,regime,regime\n0,bull,bull\n", "'regime' twice"),
        ("step,p_bull,p_bear\n0,1,0\n", "lacks the column 'p_sideways'"),
        (
            "step,p_bull,p_sideways,p_bear,p_crisis\n0,1.5,-.5,0,0\n",
            "column 'p_bull' holds 1.5; expected 0 to 1",
        ),
        ("step,p_bull,p_sideways,p_bear,p_crisis\n0,0,0,0,0\n", "sum to 0"),
        ("step,regime,p_bull,p_sideways,p_bear,p_crisis\n0,bear,1,0,0,0\n", "not the heaviest"),
        ("step,regime,sector_severity:Energy\n0,bull,2\n", "the sector is with the market"),
        ("step,regime\n0,bull,7\n", "row 2 has 3 fields, the header 2"),
        ('step,regime\n0,"bull\n', "not a CSV text"),
        ("step;regime\n0;bull\n", "unknown column 'step;regime'"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "timeline.csv"
    path.write_text(text)
    with pytest.raises(ScriptError, match=message) as caught:
        parse_script(path, regimes=REGIMES, sectors=SECTORS)
    assert "timeline.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path) -> None:
    with pytest.raises(ScriptError, match=r"cannot read the timeline file .*nowhere.csv"):
        parse_script(str(tmp_path / "nowhere.csv"), regimes=REGIMES)
    with pytest.raises(ScriptError, match="without knowing the regimes"):
        parse_script("timeline.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        timeline_of("bull:1").save(tmp_path / "file" / "timeline.csv")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "timeline.csv"
    timeline_of("bull:1").save(path)
    before = path.read_bytes()

    def half(self, stream, **_):
        with open(stream, "w") as file:
            file.write("step,reg")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    with pytest.raises(InputError, match="No space left"):
        timeline_of("crisis:5").save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["timeline.csv"]


# -- severities the model knows --------------------------------------------------------------------------


def test_severity_outside_the_trained_range_needs_the_flag() -> None:
    timeline = timeline_of("bull:5,crisis*2.5:5")
    check_severity(timeline, (0.5, 2.5))
    check_severity(timeline, (0.5, 2.0), extrapolate=True)
    with pytest.raises(
        InputError, match=r"severity 2.5 of 'crisis' for the market at step 5.*0.5 to 2; .*extrapolate"
    ):
        check_severity(timeline, (0.5, 2.0))
    with pytest.raises(InputError, match="--extrapolate"):
        check_severity(timeline, (3.0, 4.0))


def test_days_without_a_label_of_their_own_are_not_checked() -> None:
    timeline = timeline_of("crisis*1.5:5;Energy[0]=bear*1.4:1")
    check_severity(timeline, (1.2, 2.0))  # the sectors' 1 while with the market is no severity
    drawn = parse_script("crisis*1.5:5,markov:3").resolve_paths(
        Stub(), [np.random.default_rng(0)], regimes=REGIMES
    )
    check_severity(drawn, (1.2, 2.0))


def test_each_regime_may_have_its_own_range() -> None:
    ranges = {"bull": (0.9, 1.1), "crisis": (0.5, 3.0)}
    check_severity(timeline_of("bull:5,crisis*2.5:5,bear*9:1"), ranges)
    with pytest.raises(InputError, match="'bull' for the market at step 3"):
        check_severity(timeline_of("crisis*2.5:3,bull*2.5:5"), ranges)


def test_sectors_and_paths_are_checked_too() -> None:
    with pytest.raises(InputError, match="'crisis' for Energy at step 4"):
        check_severity(timeline_of("bull:9;Energy[4]=crisis*2:2"), (0.5, 1.5))
    paths = PathTimelines.repeat(timeline_of("bull*2:9"), 3)
    with pytest.raises(InputError, match="'bull' for the market at step 0"):
        check_severity(paths, (0.5, 1.5))


# -- history ---------------------------------------------------------------------------------------------

DATES = pd.bdate_range("2008-08-25", "2008-10-10", name="date")  # 35 days; 2008-09-01 is the sixth
CODES = np.array([0] * 10 + [2] * 5 + [3] * 20)
SEVERITY = np.where(CODES == 3, 1.7, np.where(CODES == 2, 0.9, 1.0))


def labels(sectors: bool = False) -> RegimeLabels:
    made = RegimeLabels.from_codes(CODES, REGIMES, DATES)
    if not sectors:
        return made
    own = np.full((len(DATES), 1), "bear", dtype=object)
    return made.with_sectors(pd.DataFrame(own, index=DATES, columns=["Energy"]))


def history(**given) -> History:
    return History.from_labels(labels(), severity=pd.Series(SEVERITY, index=DATES), **given)


def test_replay_takes_labels_and_severities_of_both_end_dates() -> None:
    timeline = timeline_of("2008-09-01..2008-09-15,bull:2", history())
    assert timeline.codes.tolist() == [*CODES[5:16], 0, 0]
    assert timeline.severity.tolist() == [*SEVERITY[5:16], 1, 1]
    assert timeline.to_script() == "bull:5,bear*0.9:5,crisis*1.7:1,bull:2"


def test_replay_over_a_weekend_takes_its_trading_days() -> None:
    assert timeline_of("2008-09-06..2008-09-08", history()).n_days == 1


def test_replay_carries_sector_labels_where_history_has_them() -> None:
    levels = pd.DataFrame({"Energy": np.full(len(DATES), 1.3)}, index=DATES)
    past = History.from_labels(labels(sectors=True), sector_severity=levels)
    timeline = timeline_of("2008-09-01..2008-09-03,bull:2;Energy[2]=crisis:1", past)
    assert timeline.sector_codes.tolist() == [[2, 2, 3, -1, -1], [-1] * 5]
    assert timeline.sector_severity[0].tolist() == [1.3, 1.3, 1, 1, 1]
    assert (timeline_of("2008-09-01..2008-09-03", history()).sector_codes == -1).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2008-08-24..2008-09-01", r"position 1 .*covers 2008-08-25\.\.2008-10-10 only"),
        ("bull:5,2008-09-01..2008-10-11", r"position 8 .*covers 2008-08-25\.\.2008-10-10 only"),
        ("2008-09-06..2008-09-07", "no trading day"),
        ("2008-09-01..2008-09-05;Energy[3]=bear:3", "its last step is 5, the script's 4"),
    ],
)
def test_dates_that_history_cannot_replay(text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        timeline_of(text, history())


def test_replay_and_now_need_a_history() -> None:
    with pytest.raises(ScriptError, match="--history RETURNS"):
        timeline_of("2008-09-01..2008-09-05")
    now = parse_script("bull:3,markov:5", regimes=REGIMES)
    with pytest.raises(ScriptError, match=r"position 8 \('markov:5'\).*resolve_paths"):
        now.resolve(REGIMES)
    with pytest.raises(ScriptError, match="'now' continues a history"):
        parse_script("now:3").resolve_paths(Stub(), [np.random.default_rng(0)], regimes=REGIMES)
    with pytest.raises(InputError, match="model's own labeller"):
        parse_script("2008-09-01..2008-09-05").resolve(("bull", "crisis"), (), history())


def test_unlabelled_days_are_not_replayed() -> None:
    codes = CODES.copy()
    codes[:7] = -1
    past = History(REGIMES, DATES, codes, np.where(codes < 0, np.nan, SEVERITY))
    assert timeline_of("2008-09-03..2008-09-05", past).n_days == 3
    with pytest.raises(ScriptError, match="no label on 2008-09-01, the first one that has is 2008-09-03"):
        timeline_of("2008-09-01..2008-09-05", past)


def test_spell_ages_of_certain_labels_are_run_lengths() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        codes = np.repeat(rng.integers(0, 3, 6), rng.integers(1, 5, 6))
        run = 1
        while run < len(codes) and codes[-run - 1] == codes[-1]:
            run += 1
        expected = np.ones(3)
        expected[codes[-1]] = run
        assert spell_ages(np.eye(3)[codes]).tolist() == expected.tolist()


def test_spell_ages_of_uncertain_labels() -> None:
    assert spell_ages([[0.5, 0.5]] * 10).tolist() == [
        10,
        10,
    ]  # nothing moved: both hypotheses are ten days old
    assert spell_ages([[1, 0]] * 9 + [[0.2, 0.8]]).tolist() == [10, 1]  # all of what is new in 1 came today
    assert spell_ages([[1, 0]] * 9 + [[0.5, 0.5], [0.2, 0.8]]).tolist() == [11, 2]  # 1 + 1 * .5 / .8 = 1.6
    with pytest.raises(InputError, match="shape"):
        spell_ages([1.0, 0.0])


def test_now_is_the_filtered_end_of_history() -> None:
    filtered = labels()
    p = filtered.probabilities.copy()
    p.iloc[-1] = [0.1, 0.0, 0.0, 0.9]
    filtered = RegimeLabels(REGIMES, filtered.labels, p, causal=True)
    probabilities, ages = history(filtered=filtered).now()
    assert probabilities.tolist() == [0.1, 0, 0, 0.9]
    assert ages.tolist() == [1, 1, 1, 21 - 1]
    certain = History(REGIMES, DATES, CODES)
    assert certain.now()[0].tolist() == [0, 0, 0, 1]
    assert certain.now()[1][3] == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dates": DATES[::-1]}, "increasing and unique"),
        ({"dates": DATES.tz_localize("UTC")}, "time zone"),
        ({"dates": DATES[:0], "codes": []}, "empty"),
        ({"codes": CODES[:5]}, "35 whole numbers"),
        ({"codes": CODES + 1}, "must lie in -1"),
        ({"severity": -SEVERITY}, "positive numbers"),
        ({"severity": SEVERITY[:3]}, "positive numbers"),
        ({"probabilities": np.eye(4)}, r"expected \(35, 4\)"),
        ({"sector_severity": pd.DataFrame({"Energy": SEVERITY}, index=DATES)}, "without sector_codes"),
        ({"sector_codes": pd.DataFrame({"Energy": CODES})}, "the history's dates"),
    ],
)
def test_histories_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        History(**({"regimes": REGIMES, "dates": DATES, "codes": CODES} | change))


# -- paths -----------------------------------------------------------------------------------------------


class Stub:
    """Remembers what it was asked, and draws regime 1 on every day."""

    def __init__(self) -> None:
        self.asked: list = []

    def sample(self, n_days, generators, start=None):
        self.asked.append((n_days, len(generators), start))
        return np.ones((len(generators), n_days), dtype=np.int8)


def test_what_the_process_is_asked_for() -> None:
    stub = Stub()
    script = parse_script("now:3,bull:2,markov:4,markov(crisis):1,crisis*2:1;Energy[1]=bear:2")
    drawn = script.resolve_paths(
        stub,
        [np.random.default_rng(i) for i in range(5)],
        regimes=REGIMES,
        sectors=SECTORS,
        history=history(),
    )
    (first, *rest) = stub.asked
    assert first[:2] == (3, 5)
    assert first[2][0].tolist() == [0, 0, 0, 1]
    assert rest == [(4, 5, None), (1, 5, "crisis")]
    assert drawn.n_paths == 5
    assert drawn.codes[0].tolist() == [1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 3]
    assert drawn.drawn.tolist() == [True] * 3 + [False] * 2 + [True] * 5 + [False]
    assert drawn.severity.tolist() == [1] * 10 + [2]
    assert drawn.deterministic_prefix == 0
    assert drawn.timeline(2) == timeline_of("sideways:3,bull:2,sideways:5,crisis*2:1;Energy[1]=bear:2")
    given = (np.array([0.5, 0.5, 0, 0]), np.array([3, 4, 1, 1]))
    script.resolve_paths(stub, [np.random.default_rng(0)], regimes=REGIMES, sectors=SECTORS, now=given)
    assert stub.asked[3][2] is given


def test_the_fitted_process_draws_equal_beginnings() -> None:
    rng = np.random.default_rng(1)
    codes = np.repeat(np.tile([0, 2, 3, 1], 20), rng.integers(2, 60, 80))
    process = SemiMarkovProcess().fit(codes, REGIMES)
    past = History(REGIMES, pd.bdate_range("1990-01-02", periods=len(codes)), codes)

    def drawn(text: str, n_paths: int) -> PathTimelines:
        generators = [np.random.default_rng([7, i]) for i in range(n_paths)]
        return parse_script(text).resolve_paths(process, generators, regimes=REGIMES, history=past)

    whole = drawn("now:21,markov:120,crisis:10,markov(bear):50", 40)
    assert whole[:10].head(141) == drawn("now:21,markov:200", 10).head(141)
    assert whole[:10].head(200) == drawn("now:21,markov:120,crisis:10,markov(bear):49,bull:9", 10).head(200)
    assert len(np.unique(whole.codes, axis=0)) > 30
    assert (whole.codes[:, 151] == 2).all()
    with pytest.raises(InputError, match="the process knows the regimes"):
        parse_script("markov:5").resolve_paths(process, [rng], regimes=("bull", "crisis"))


def test_blends_among_drawn_days_keep_their_weights() -> None:
    drawn = parse_script("bear~crisis:4,markov:2").resolve_paths(
        Stub(), [np.random.default_rng(0)] * 2, regimes=REGIMES
    )
    assert drawn.deterministic_prefix == 4
    np.testing.assert_array_equal(drawn.path_weights()[1, :4], timeline_of("bear~crisis:4").weights)
    np.testing.assert_array_equal(drawn.path_weights()[1, 4:], np.eye(4)[[1, 1]])
    np.testing.assert_array_equal(drawn.weights[4:], 0)
    assert drawn.codes[0].tolist() == [2, 2, 3, 3, 1, 1]


def test_paths_as_a_table_and_in_part() -> None:
    paths = PathTimelines.repeat(timeline_of("bull:2,crisis*2:1"), 3)
    frame = paths.to_frame()
    assert frame["path"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert frame["step"].tolist() == [0, 1, 2] * 3
    assert frame["regime"].tolist() == ["bull", "bull", "crisis"] * 3
    assert frame["severity"].tolist() == [1, 1, 2] * 3
    assert paths[1:].n_paths == 2
    assert paths.head(2) == PathTimelines.repeat(timeline_of("bull:2"), 3)
    assert paths.digest() != paths[1:].digest()
    assert paths == PathTimelines.repeat(timeline_of("bull:2,crisis*2:1"), 3)
    assert "3 paths x 3 days" in repr(paths)
    for path in (3, -4):
        with pytest.raises(InputError, match="3 paths"):
            paths.timeline(path)


def test_paths_that_contradict_the_script_are_refused() -> None:
    good = PathTimelines.repeat(timeline_of("bull:2"), 2)
    fields = {name: getattr(good, name) for name in good.__dataclass_fields__}
    for change, message in [
        ({"codes": good.codes + 1}, "heaviest"),
        ({"codes": good.codes + 9}, "0 to 3"),
        ({"codes": good.codes[:, :1]}, "shape"),
        ({"weights": np.zeros((2, 4)), "severity": np.full(2, 2.0)}, "1 on drawn days"),
    ]:
        with pytest.raises(InputError, match=message):
            PathTimelines(**(fields | change))
    with pytest.raises(InputError, match="at least one"):
        parse_script("bull:2").resolve_paths(None, [], regimes=REGIMES)
    with pytest.raises(ScriptError, match="no regime process"):
        parse_script("markov:2").resolve_paths(None, [np.random.default_rng(0)], regimes=REGIMES)


# -- scripts built by hand -------------------------------------------------------------------------------


def test_a_script_built_by_hand_is_checked_when_resolved() -> None:
    assert Script((Hold(State("bull"), 3),)).resolve(REGIMES) == RegimeTimeline.from_codes([0, 0, 0], REGIMES)
    for wrong, message in [
        (Script(()), "position 1"),
        (Script((Hold(State("boom"), 3),)), "'boom'.*unknown regime"),
        (Script((Hold(State("bull"), 0),)), "1 or more"),
        (Script((Hold(State("bull", -1.0), 3),)), "severity"),
    ]:
        with pytest.raises(ScriptError, match=message):
            wrong.resolve(REGIMES)


def test_what_a_script_says_of_itself() -> None:
    script = parse_script("2008-09-01..2008-09-15,markov:5", regimes=REGIMES)
    assert script.is_random
    assert script.needs_history
    assert script.n_days(history()) == 16
    assert script.segments[0].start == date(2008, 9, 1)
    assert not parse_script("bull:5,markov:5").needs_history
    with pytest.raises(ScriptError, match="needs a history"):
        script.n_days()


def test_errors_survive_being_sent_between_processes() -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script("bull:0")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.position, again.pointer) == (
        str(caught.value),
        caught.value.position,
        caught.value.pointer,
    )
