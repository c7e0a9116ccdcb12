# SPDX-License-Identifier: Apache-2.0
"""Holds the shape of the project: which room may import which, what stays light, what no file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("spade_core", "spade_finance", "spade_image", "apps")

# What each package may import of ours.
PACKAGE_RULES = {
    "spade_core": set(),
    "spade_finance": {"spade_core"},
    "spade_image": {"spade_core"},
    "apps": {"spade_core", "spade_finance", "spade_image"},
}

# What each room of spade_finance may import from the others. A new room needs a line here, and a thought.
GROUND = {"exceptions", "returns", "io", "scenarios"}
DRAWN = {"plot_style", "plotting", "reports"}
ROOMS: dict[str, set[str]] = {
    "exceptions": set(),
    "returns": {"exceptions"},
    "io": GROUND,
    "scenarios": GROUND,
    "data": GROUND,
    "windows": GROUND,
    "regimes": GROUND | {"data", "windows"},
    "baselines": GROUND
    | {"data", "windows", "regimes", "model"},  # the model's slow states, and its ablations
    "model": GROUND | {"data", "windows", "regimes"},
    "plot_style": {"scenarios"},
    "plotting": GROUND | {"plot_style", "regimes", "evaluate"},  # of evaluate only the plain numbers
    "reports": GROUND | {"plot_style"},
    "evaluate": GROUND | {"data", "windows", "regimes", "baselines"} | DRAWN,
    "stress": GROUND | {"data", "windows", "regimes", "baselines", "evaluate"} | DRAWN,
    "backtest": GROUND | {"data", "windows", "regimes", "baselines", "evaluate"} | DRAWN,
}
ROOMS["integrations"] = set(ROOMS) | {"integrations"}
ROOMS["cli"] = ROOMS["demo"] = set(ROOMS) | {"cli", "demo"}

# Slow to import (up to 7 s), so only where they are used.
HEAVY = {
    "arch", "dask", "finval", "hmmlearn", "jinja2", "jumpmodels", "playwright", "plotly", "pysiglib",
    "skfolio", "statsmodels", "streamlit", "tensorboard", "torchmetrics", "torchvision", "yfinance", "zarr",
}  # fmt: skip
NOT_AT_START = HEAVY | {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch", "xarray"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours with its dotted name."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imports(name: str, *, top_only: bool = False) -> set[str]:
    """Dotted names that a module imports, those for type checkers only left out."""
    path = MODULES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child)
            return
        if top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                kept = package[: len(package) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            # `from package import module` imports the module; `from module import name` does not have one
            found.update(f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def room_of(name: str) -> str:
    return [*name.split("."), ""][1]


def finance(name: str) -> bool:
    return name.startswith("spade_finance.")


def test_packages_import_downwards() -> None:
    wrong = []
    for name in MODULES:
        package = name.split(".")[0]
        ours = {target.split(".")[0] for target in imports(name)} & set(PACKAGES) - {package}
        wrong += [f"{name} imports {other}" for other in sorted(ours - PACKAGE_RULES[package])]
    assert not wrong


def test_the_core_is_torch_and_the_standard_library() -> None:
    wrong = []
    for name in MODULES:
        if name.split(".")[0] == "spade_core":
            allowed = {"torch", "spade_core"} | (
                {"safetensors"} if name == "spade_core.checkpoint" else set()
            )
            foreign = {target.split(".")[0] for target in imports(name)} - set(sys.stdlib_module_names)
            wrong += [f"{name} imports {other}" for other in sorted(foreign - allowed)]
    assert not wrong


def test_rooms_of_finance_import_downwards() -> None:
    wrong = []
    for name in filter(finance, MODULES):
        room = room_of(name)
        assert room in ROOMS, f"{name}: give the new room {room!r} its line in ROOMS"
        targets = {room_of(target) for target in imports(name) if finance(target)}
        wrong += [f"{name} imports from {other}" for other in sorted(targets - ROOMS[room] - {room})]
    assert not wrong


def test_only_networks_know_the_core() -> None:
    """Reports and backtests take scenarios, never a network."""
    users = {n for n in filter(finance, MODULES) if any(t.startswith("spade_core") for t in imports(n))}
    rooms = {".".join(name.split(".")[1:3]) if "neural" in name else room_of(name) for name in users}
    assert rooms <= {"model", "baselines.neural", "cli", "integrations"}


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = []
    for name in MODULES:
        if name.startswith("spade_finance"):
            heavy = {target.split(".")[0] for target in imports(name, top_only=True)} & HEAVY
            wrong += [f"{name} imports {library} at its top" for library in sorted(heavy)]
    assert not wrong


def test_importing_the_package_and_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys, spade_finance, spade_finance.cli, spade_finance.cli.app\n"
        f"print(*sorted(set(sys.modules) & {NOT_AT_START!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.split() == []


def test_every_public_name_of_the_package_exists() -> None:
    import spade_finance

    for name in spade_finance.__all__:
        assert getattr(spade_finance, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = spade_finance.nonsense


# ---- what no file may name ----

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".cff",
    ".yml",
    ".yaml",
    ".json",
    ".cfg",
    ".css",
    ".js",
    ".html",
    ".sh",
    "",
}
SKIPPED = {
    ".git",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "runs",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
}

# Written in pieces, so that this file passes its own test.
FORBIDDEN = {
    "the host of a package registry": r"pypi\."
    + r"org|pythonhosted\."
    + r"org|registry\.npmjs|conda\."
    + r"anaconda",
    "an index option": r"--(extra-)?index-" + r"url|--find-" + r"links",
    "a path of somebody's machine": r"(?<![\w.])/(work|root|home/\w+|Users/\w+|opt/(wheels|pypi))" + r"/\w",
    "an unfinished thought": r"\b(FIX" + r"ME|XX" + r"X)\b",
}
UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def sources() -> list[Path]:
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if path.is_file() and not hidden and not SKIPPED.intersection(parts) and path.suffix in TEXT:
            found.append(path)
    return found


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    hits = []
    for path in sources():
        if path.stat().st_size > 2_000_000:
            continue
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        ):
            if match := pattern.search(line):
                hits.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    assert not hits, f"{what}: {hits}"


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_is_unpickled() -> None:
    wrong = []
    for name, path in MODULES.items():
        wrong += [f"{name} imports {t}" for t in imports(name) if t.split(".")[0] in UNPICKLING]
        for function, call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            options = {word.arg: ast.unparse(word.value) for word in call.keywords}
            if (
                (function == "torch.load" and options.get("weights_only") != "True")
                or (function in ("np.load", "numpy.load") and options.get("allow_pickle", "False") != "False")
                or function.endswith("read_pickle")
            ):
                wrong.append(f"{name}:{call.lineno} calls {function}")
    assert not wrong


def test_every_source_file_says_its_licence() -> None:
    files = [*MODULES.values(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    bare = [
        str(path.relative_to(ROOT))
        for path in files
        if path.stat().st_size
        and "SPDX-License-Identifier: Apache-2.0" not in path.read_text(encoding="utf-8")[:200]
    ]
    assert not bare


# ---- project files ----


def test_constraints_pin_every_direct_dependency_and_hold_names_and_numbers_only() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    pinned = {line.split("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(r for rs in project["optional-dependencies"].values() for r in rs)]
    names = {re.split(r"[\[<>=!~; ]", r)[0].lower().replace("_", "-") for r in wanted} - {"spade-finance"}
    assert names <= pinned


def test_one_version_everywhere() -> None:
    import spade_finance

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert spade_finance.__version__ == project["version"]
    assert f"version: {project['version']}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_wheel_takes_the_data_along() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    assert targets["wheel"]["force-include"]["data"] == "spade_finance/_data"
