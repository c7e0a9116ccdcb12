# SPDX-License-Identifier: Apache-2.0
"""The pages keep their word: scripts parse, quoted errors are real, commands and links exist.

Conventions of the pages:

* a fenced block ``script`` holds one regime script a line (blank lines and ``#`` comments apart);
* a fenced block ``bad-script`` holds pairs of lines: a script that is refused, and its message (``…`` stands for
  text left out), pairs apart by blank lines;
* a fenced block ``csv`` whose header starts with ``step,`` is a timeline file;
* an inline code span in README.md, docs/regimes.md or docs/scenarios.md that begins like a script
  (``word...:number``, ``date..``, ``;``) is one; after ``;`` alone it is an override, for a market of its own;
* ``--regimes SCRIPT`` in a command and ``.sample("SCRIPT"`` in Python are scripts on every page.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import spade_finance as sf
from spade_finance.regimes import parse_script

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")})
SCRIPT_PAGES = ("README.md", "docs/regimes.md", "docs/scenarios.md")
REGIMES = ("bull", "sideways", "bear", "crisis")

FENCE = re.compile(r"^```([\w-]*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)|<(?:img|a)\s[^>]*?(?:src|href)=\"([^\"]+)\"")
SAMPLED = re.compile(r"\.sample(?:_batches)?\(\s*\"([^\"]+)\"")
STATE = r"[A-Za-z_]\w*(?:\*[\d.eE+-]+)?"
LIKE_A_SCRIPT = re.compile(
    rf"\s*(?:{STATE}(?:~{STATE})?\s*:\s*\d|markov\(\w+\)|\d{{4}}-\d\d-\d\d\.\.|;\s*[\w\"][^=]*=)"
)


class Place(NamedTuple):
    """Something to check, and the page that it stands on."""

    page: str
    text: str


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text)


def blocks(*languages: str) -> Iterator[Place]:
    for page in PAGES:
        for language, body in FENCE.findall(page.read_text(encoding="utf-8")):
            if language in languages:
                yield Place(name(page), body)


def commands() -> Iterator[tuple[Place, bool]]:
    """Every ``spade-finance ...``, and whether it is meant to run as it stands (in a block) or named in passing."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for _, body in FENCE.findall(text):
            for line in body.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|\|", line.partition(" #")[0]):
                    if part.strip().startswith("spade-finance "):
                        yield Place(name(page), part.strip()), True
        for span in CODE.findall(prose(text)):
            if span.startswith("spade-finance "):
                yield Place(name(page), span), False


def scripts() -> Iterator[Place]:
    for page, body in blocks("script"):
        for line in body.splitlines():
            if line.strip() and not line.startswith("#"):
                yield Place(page, line)
    for wanted in SCRIPT_PAGES:
        for span in CODE.findall(prose((ROOT / wanted).read_text(encoding="utf-8"))):
            if LIKE_A_SCRIPT.match(span):
                yield Place(wanted, span)
    for place, _ in commands():
        words = shlex.split(place.text)
        if "--regimes" in words[:-1]:
            yield Place(place.page, words[words.index("--regimes") + 1])
    for page, body in blocks("python"):
        for script in SAMPLED.findall(body):
            yield Place(page, script)


def for_the_shipped_model() -> Iterator[Place]:
    """Scripts of commands and Python examples that use it, unless they say that they extrapolate."""
    for place, whole in commands():
        words = shlex.split(place.text)
        if whole and "--regimes" in words and "--extrapolate" not in words and "default" in words:
            yield Place(place.page, words[words.index("--regimes") + 1])
    for page, body in blocks("python"):
        if 'load("default")' in body and "extrapolate" not in body:
            for script in SAMPLED.findall(body):
                yield Place(page, script)


def refused() -> Iterator[tuple[str, str, str]]:
    for page, body in blocks("bad-script"):
        for pair in re.split(r"\n\s*\n", body.strip()):
            script, message = pair.splitlines()
            yield page, script, message


@pytest.fixture(scope="module")
def sectors() -> list[str]:
    return list(sf.load_sectors().columns)


def test_the_pages_hold_what_is_checked_here() -> None:
    """A changed convention must not leave the tests below with nothing to test."""
    found = {wanted: [s for s in scripts() if s.page == wanted] for wanted in SCRIPT_PAGES}
    assert len(found["README.md"]) >= 8
    assert len(found["docs/regimes.md"]) >= 40
    assert len(found["docs/scenarios.md"]) >= 5
    assert len(list(refused())) >= 10
    assert sum(whole for _, whole in commands()) >= 10


@pytest.mark.parametrize("place", list(dict.fromkeys(scripts())), ids=lambda p: f"{p.page}: {p.text}")
def test_scripts_parse(place: Place, sectors: list[str]) -> None:
    text = f"bull:500{place.text}" if place.text.lstrip().startswith(";") else place.text
    script = parse_script(text, regimes=REGIMES, sectors=sectors)
    assert parse_script(str(script), regimes=REGIMES, sectors=sectors) == script


@pytest.mark.parametrize(("page", "script", "message"), list(refused()))
def test_quoted_refusals_are_real(page: str, script: str, message: str, sectors: list[str]) -> None:
    with pytest.raises(sf.InputError) as caught:
        parse_script(script, regimes=REGIMES, sectors=sectors)
    said, at = str(caught.value), 0
    for piece in (part.strip() for part in message.split("…")):
        assert piece in said[at:]
        at = said.index(piece, at) + len(piece)
    if "…" not in message:
        assert said == message


def test_timeline_files_load(sectors: list[str], tmp_path: Path) -> None:
    tables = [place for place in blocks("csv") if place.text.startswith("step,")]
    assert tables
    for i, place in enumerate(tables):
        file = tmp_path / f"{i}.csv"
        file.write_text(place.text, encoding="utf-8")
        timeline = parse_script(file, regimes=REGIMES, sectors=sectors).resolve(REGIMES, sectors)
        page = (ROOT / place.page).read_text(encoding="utf-8")
        assert f"`{timeline.to_script()}`" in page  # the page says the same as a script


@pytest.mark.parametrize(("place", "whole"), list(dict.fromkeys(commands())), ids=str)
def test_commands_exist(place: Place, whole: bool) -> None:
    from cyclopts.exceptions import CycloptsError

    from spade_finance.cli.app import app

    words = [word for word in shlex.split(place.text)[1:] if word != "--debug"]
    if whole:
        try:
            app.parse_args(words, exit_on_error=False, print_error=False)
        except CycloptsError as error:
            pytest.fail(f"{place.page}: {place.text}: {error}")
        return
    # Named in passing: values may be missing, the subcommand and its flags must exist.
    if set(words) <= {"--help", "--version"}:
        return
    _, chain, rest = app.parse_commands(words)
    command = chain[-1]
    known = {flag for argument in command.assemble_argument_collection() for flag in argument.names}
    known |= {"--help"}
    assert {word for word in rest if word.startswith("-")} <= known, place
    groups = [sub for sub in command if not sub.startswith("-")]
    if groups:  # what comes next should have been one of these
        assert not [word for word in rest if not word.startswith("-")], f"{place}: known are {groups}"


@pytest.mark.parametrize("place", list(dict.fromkeys(for_the_shipped_model())), ids=str)
def test_scripts_for_the_shipped_model_are_within_its_range(place: Place) -> None:
    """A page's command must not end in a refusal of its severities."""
    from spade_finance.regimes.timeline_checks import check_severity

    about = json.loads((ROOT / "data/default_model/config.json").read_text(encoding="utf-8"))
    script = parse_script(place.text, regimes=about["regimes"], sectors=about["sectors"])
    if not script.is_random and not script.needs_history:
        timeline = script.resolve(about["regimes"], about["sectors"])
        check_severity(timeline, tuple(about["severity_range"]))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for pair in LINK.findall(prose(page.read_text(encoding="utf-8"))):
        target = pair[0] or pair[1]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), f"{target} leads out of the project"
        assert file.exists(), f"{target} does not exist"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}: known are {sorted(anchors(file))}"


@pytest.mark.parametrize("place", list(blocks("python")), ids=lambda p: f"{p.page}: {p.text.splitlines()[0]}")
def test_python_examples_use_what_exists(place: Place) -> None:
    tree = ast.parse(place.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sf":
            assert node.attr in dir(sf), f"{place.page}: sf.{node.attr}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spade_"):
            module = __import__(str(node.module), fromlist=["*"])
            for alias in node.names:
                assert hasattr(module, alias.name), f"{place.page}: {node.module}.{alias.name}"


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub makes of a page's headings."""
    found = set()
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", prose(page.read_text(encoding="utf-8")), re.MULTILINE):
        found.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return found
