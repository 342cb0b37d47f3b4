"""The tree is the architecture: which package may import which, what stands at the root, what is shipped."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import moec
from moec.version import VERSION

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "moec"
ORDER = {
    "": "version compiled cache regular_file arrays diagnostics registry dsl compiler backends serving run report study cli",
    "diagnostics": "counts diagnostic codes nearest foreign not_yet findings csv_records render",
    "dsl": "units schema text meaning export sources overrides load",
    "dsl.schema": "names fields astra_sim costs hardware model parallelism routing serving workload experiment",
    "dsl.text": "ast foreign brackets tree grammar tokens wording parser json_reader json_text",
    "dsl.meaning": "hugging_face surface values arithmetic shapes checks later defaults evaluate resolve topology build",
    "compiler": "ir sizes check placement routing costs lower chakra evidence prepare",
    "compiler.ir": "kernels estimate batch graph crossing verify",
    "compiler.sizes": "layout parameters activations footprint kv_blocks",
    "compiler.check": "model splits warnings plan fit memory",
    "compiler.placement": "slots packing linear round_robin lpt eplb explicit registry",
    "compiler.routing": "math outcome drawn expected expert_counts popularity law",
    "compiler.costs": "base checked rates curves measured mixture roofline profile silicon table registry",
    "compiler.lower": "context program lane attention ffn experts kv_swap assemble padding instantiate",
    "compiler.chakra": "wire node fields schema trace reading trace_set view times diff dot stats writing",
    "backends": "base probe guarded whole_graphs network fast astra registry timeline critical_path op_rows",
    "backends.network": "lattice spread tiers ports shared_links latencies loads sends collectives alpha_beta measured naming report",
    "backends.fast": "durations interference schedule time_tables pricing serial overlapped steps timing backend",
    "backends.astra": "network files folders replay lint folder_replay simulator estimator",
    "backends.astra.replay": "programs hash_table timing remote_memory custom_collective custom_sets plain_set npu setup collective_plans occupancy "
    "round coarse machine solo run",
    "serving": "results records agenda queues shared requests bounded feasible engine router loop",
    "serving.engine": "kv_cache limits pace host_time host_memory scheduler decodes rank_queue config instance loads leap lockstep pipeline",
    "serving.requests": "formats synthetic stream",
    "run": "session phases traces",
    "study": "silicon validation",
    "serving.requests.formats": "calendar request_trace columns known cleaned delimited json_lines detect",
    "cli": "console options progress ending outcome loading verbs main entry",
}
"""The rooms of each package, by its dotted name below `moec`: what stands further left knows nothing of what stands further right."""

FILES = sorted(SOURCE.rglob("*.py"))


def dotted(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {dotted(path): path for path in FILES if path.parent != SOURCE or path.name != "__init__.py"}


def imported(path: Path) -> set[str]:
    """Modules below `moec` that a file imports, wherever in it the import stands, but for types."""
    found, tree = set(), ast.parse(path.read_text())
    types = {inner for node in ast.walk(tree) if is_for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in types:
            continue
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{a.name}" for a in node.names}
            found |= {name if name.removeprefix("moec.") in MODULES else node.module for name in whole}
    return {name.removeprefix("moec.") for name in found if name.startswith("moec.")}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


def arrows(package: str) -> dict[tuple[str, str], tuple[str, str]]:
    """`(room, room it imports)` inside a package, with a pair of modules as the reason."""
    inside = f"{package}." if package else ""
    found = {}
    for module, targets in IMPORTS.items():
        for target in targets:
            if module.startswith(inside) and target.startswith(inside):
                rooms = tuple(name.removeprefix(inside).partition(".")[0] for name in (module, target))
                if rooms[0] != rooms[1]:
                    found[rooms] = (module, target)
    return found


PACKAGES = ["", *sorted(name for name, path in MODULES.items() if path.name == "__init__.py")]


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_one_way(package):
    rooms = ORDER[package].split()
    upward = [why for (room, other), why in arrows(package).items() if rooms.index(other) > rooms.index(room)]

    assert not upward


@pytest.mark.parametrize("package", ORDER)
def test_the_order_names_every_room(package):
    inside = f"{package}." if package else ""
    rooms = {name.removeprefix(inside).partition(".")[0] for name in MODULES if name.startswith(inside)}

    assert set(ORDER[package].split()) == rooms


@pytest.mark.parametrize("package", PACKAGES)
def test_no_imports_go_in_a_circle(package):
    left = set(arrows(package))
    while ends := {other for _, other in left} - {room for room, _ in left}:
        left = {(room, other) for room, other in left if other not in ends}

    assert not left


COMPILED = "backends.astra.network.events"
"""The event simulation, every class of it with its types in a file beside it."""


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != COMPILED])
def test_a_folder_is_seen_at_a_glance(package):
    folder = SOURCE / package.replace(".", "/")
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix in (".py", ".moe", ".lark", ".proto")]

    assert len(files) <= 16


def test_a_name_stands_for_one_thing_or_two():
    names = Counter(name.rpartition(".")[2] for name in MODULES)

    assert not {name: count for name, count in names.items() if count > 2 and name != "registry"}


@pytest.mark.parametrize(
    "path", [p for p in FILES if dotted(p).partition(".")[0] not in ("dsl", "cli", "__init__")], ids=str
)
def test_only_the_language_knows_its_parse_trees(path):
    text = path.read_text()
    modules = set(re.findall(r"(?:from|import) moec\.dsl\.(\w+)", text))

    assert modules <= {"schema"}


@pytest.mark.parametrize("path", [p for p in FILES if p.read_text().strip()], ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_opens_with_what_it_knows(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "the module has no docstring"


@pytest.mark.parametrize("name", ["dsl", "compiler", "backends"])
def test_the_root_shows_the_architecture_by_relative_links(name):
    link = ROOT / name

    assert link.is_symlink()
    assert link.readlink() == Path("src/moec") / name


def test_the_package_is_typed_and_its_version_is_told_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (SOURCE / "py.typed").exists()
    assert project["version"] == VERSION == moec.__version__


def test_every_public_name_exists():
    assert all(getattr(moec, name) is not None for name in moec.__all__)


def test_a_notebook_completes_the_public_names():
    assert dir(moec) == sorted(moec.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        moec.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", ["demo", "test", "check", "setup"])
def test_scripts_can_be_run(name):
    script = ROOT / "scripts" / name

    assert script.stat().st_mode & 0o111
    assert script.read_text().startswith("#!/bin/sh\n")


def test_ci_runs_the_tests_and_nothing_else():
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]

    assert commands[-1] == "exec scripts/test"


def test_links_at_the_root_do_not_keep_what_they_point_to_out_of_distributions():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]

    links = {f"/{path.name}" for path in ROOT.iterdir() if path.is_symlink()}

    assert links <= set(build["exclude"])
    assert build["skip-excluded-dirs"]
