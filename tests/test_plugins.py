"""Packages that add to moec: those of docs/plugins.md, installed and named in a specification, and ones with mistakes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from zlib import crc32

import pytest

import moec
from moec import registry
from moec.dsl.export import to_json
from moec.dsl.load import load, load_text
from support.plugins import HEAD, forgotten, unpacked, wheel

pytestmark = pytest.mark.slow  # installs packages

DOCUMENT = Path(__file__).parents[1] / "docs" / "plugins.md"
BLOCKS = re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
FILES = {name.removesuffix("/pyproject.toml"): text for name, text in BLOCKS}
PACKAGES = [name for name in FILES if not name.endswith(".py")]

SPEC = """moe 1
use "std/models"
use "std/hardware" as hw
cluster box { nodes = 1, node = hw.dgx_h100 }
model small = models.qwen3_30b_a3b { layers = 2 }
parallelism plan { attention { dp = 8 }, experts { ep = 8, placement = PLACEMENT } }
workload waves { requests = REQUESTS }
experiment e { model = small, cluster = box, parallelism = plan, workload = waves, costs = COSTS, backend = BACKEND, serving { router = ROUTER } }
"""  # fmt: skip
OURS = {
    "PLACEMENT": "linear()",
    "REQUESTS": "lengths(input: 512, output: 64, count: 32), arrivals = burst()",
    "COSTS": "roofline()",
    "BACKEND": "fast()",
    "ROUTER": "least_loaded()",
}
THEIRS = {
    "PLACEMENT": "mirrored(from_layer: 1)",
    "REQUESTS": "waves(every: 250 ms, size: 3)",
    "COSTS": "flat(time: 20 us)",
    "BACKEND": "slower(factor: 3)",
    "ROUTER": "sticky(run: 2)",
}


def spec(**chosen: str) -> str:
    text = SPEC
    for name, value in {**OURS, **chosen}.items():
        text = text.replace(name, value)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the five packages of the document are installed."""
    folder = tmp_path_factory.mktemp("plugins")
    wheels = []
    for package in PACKAGES:
        project = tomllib.loads(FILES[package])["project"]
        wheels.append(wheel(folder, project["name"], project["entry-points"], {package: FILES[f"{package}.py"]}))
    target = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", str(target), *map(str, wheels)], check=True)
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten(monkeypatch)
    monkeypatch.syspath_prepend(str(site))


def simulated(text: str):
    experiment, report = load_text(text)
    assert experiment is not None, [d.title for d in report.diagnostics]
    session, found = moec.open_session(experiment)
    assert session is not None, [d.title for d in found]
    return moec.simulate(session)


def test_the_document_has_a_package_for_every_group():
    groups = {group for package in PACKAGES for group in tomllib.loads(FILES[package])["project"]["entry-points"]}

    assert groups == set(registry.GROUPS)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("field", THEIRS)
def test_each_is_named_in_a_specification_and_changes_what_it_says(field):
    results, found = simulated(spec(**{field: THEIRS[field]}))
    plain, _ = simulated(spec())

    assert not found
    if field == "COSTS":
        few, _ = simulated(spec(COSTS="flat(time: 10 us)"))
        assert few.requests.finish_ns.max() < results.requests.finish_ns.max()
    elif field == "BACKEND":
        assert results.iterations.device_ns.sum() == 3 * plain.iterations.device_ns.sum()
        assert results.backend == "slower"
    elif field == "ROUTER":
        assert results.requests.dp_rank.tolist()[:6] == [0, 0, 1, 1, 2, 2]
    elif field == "REQUESTS":
        assert results.requests.arrival_ns.tolist()[:4] == [0, 0, 0, 250_000_000]
    else:
        skewed = spec(PLACEMENT=THEIRS[field]) + "routing hot { popularity = zipf(exponent: 1.2) }\n"
        context = moec.open_session(load_text(skewed.replace("experiment e {", "experiment e { routing = hot,"))[0])[0]
        assert context.prepared.context.law.placement.expert[:, 0].tolist() == [0, 127]


@pytest.mark.usefixtures("installed")
def test_all_of_them_together_and_back_from_json():
    experiment, _ = load_text(spec(**THEIRS))
    again, report = load_text(json.dumps(to_json(experiment)), "again.json")

    assert not report.diagnostics
    assert to_json(again) == to_json(experiment)
    assert (again.costs, again.backend, again.serving.router) == (
        experiment.costs,
        experiment.backend,
        experiment.serving.router,
    )


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("field", "value", "code", "said"),
    [
        ("COSTS", "flat(tiem: 2 us)", "M101", "did you mean `time`?"),
        ("COSTS", "flat(time: 2 GB)", "M202", "`time` is a time"),
        ("COSTS", "flat(time: 0 us)", "M204", "it must be above 0"),
        ("COSTS", "flta()", "M109", "did you mean `flat`?"),
        ("REQUESTS", "waves(size: 3)", "M205", "`every` is missing"),
        ("ROUTER", "sticky(run: 1.5)", "M207", "a whole number"),
        ("ROUTER", "flat()", "M109", "`router` has no `flat(…)`"),
    ],
)
def test_their_options_are_checked_like_moecs_own(field, value, code, said):
    report = load_text(spec(**{field: value}))[1]

    assert [d.code for d in report.diagnostics] == [code]
    whole = report.diagnostics[0]
    assert said in f"{whole.title} {whole.label} {whole.help}"
    assert whole.span is not None


@pytest.mark.usefixtures("installed")
def test_an_override_reaches_an_option(tmp_path):
    (tmp_path / "x.moe").write_text(spec(COSTS="flat()"))

    assert load(tmp_path / "x.moe", overrides=["costs.time=7 us"])[0].costs.time == pytest.approx(7e-6)
    assert load(tmp_path / "x.moe", overrides=["costs=flat(time: 8 us)"])[0].costs.time == pytest.approx(8e-6)
    assert [d.code for d in load(tmp_path / "x.moe", overrides=["costs.time=-7 us"])[1].diagnostics] == ["M204"]


def test_the_command_line_knows_what_is_installed(site, tmp_path):
    (tmp_path / "x.moe").write_text(spec(**THEIRS))
    ran = command(site, "simulate", tmp_path / "x.moe", "--json")

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["completed"] == 12
    assert command(site, "simulate", tmp_path / "x.moe", "--backend", "slower").returncode == 0
    missing = command(tmp_path, "check", tmp_path / "x.moe")
    assert missing.returncode == 1
    assert "`costs` has no `flat(…)`" in missing.stderr


def command(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from moec.cli.entry import main; sys.argv[0] = 'moec'; main()"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


BROKEN = {
    "it raises": ("raise RuntimeError('no licence')", "M196", "cannot be loaded: RuntimeError: no licence"),
    "a function": ("plugin = print", "M196", "not a `moec.Plugin`"),
    "no dataclass": ("plugin = Plugin(int, lambda e: 0)", "M196", "options that are no dataclass"),
    "plain fields": (
        "@dataclass(frozen=True)\nclass O:\n    x: int = 3\nplugin = Plugin(O, lambda e: 0)",
        "M196",
        "the option `x`, which is not declared by `moec.spec(…)`",
    ),
    "another signature": ("plugin = Plugin(None_, lambda: 0)", "M196", "cannot be made by `make(experiment)`"),
    "nothing": ("plugin = Plugin(None_, lambda e: None)", "M197", "gave NoneType, not a cost model and diagnostics"),
    "no model": ("plugin = Plugin(None_, lambda e: (3, []))", "M197", "gave a model without `estimate`"),
    "make raises": ("plugin = Plugin(None_, lambda e: 1 / 0)", "M197", "raised ZeroDivisionError"),
    "nothing and no error": (
        "plugin = Plugin(None_, lambda e: (None, []))",
        "M197",
        "gave nothing, and no error that says why",
    ),
    "options of moec's own": (
        "from moec.dsl.schema import RooflineCosts\nplugin = Plugin(RooflineCosts, lambda e: 0)",
        "M196",
        "has the same class of options as moec's own",
    ),
    "a type that the language lacks": (
        "@dataclass(frozen=True)\nclass O:\n    x: list = spec('a list', None)\nplugin = Plugin(O, lambda e: 0)",
        "M196",
        "has an option of no known type",
    ),
    "a word of the language": (
        "@dataclass(frozen=True)\nclass O:\n    by: int = spec('a factor', 2)\nplugin = Plugin(O, lambda e: 0)",
        "M196",
        "has the option `by`, a word of the language",
    ),
    "negative times": (
        "class M:\n    def estimate(self, kernel, device, role=''):\n"
        "        return Estimate(np.asarray(-1.0), np.asarray(0), 'modelled')\nplugin = Plugin(None_, lambda e: (M(), []))",
        "M197",
        "that is no finite number of nanoseconds",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plug_in_is_named_with_what_it_must_give(case, tmp_path, monkeypatch):
    source, code, said = BROKEN[case]
    package = f"broken-{list(BROKEN).index(case)}"
    unpacked(tmp_path, package, "moec.cost_models", "mine", HEAD + source)
    forgotten(monkeypatch)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    experiment, report = load_text(spec(COSTS="mine()"))
    found = list(report.diagnostics)
    if experiment is not None:
        session, found = moec.open_session(experiment)
        if session is not None:
            found = moec.simulate(session)[1]

    assert [d.code for d in found] == [code]
    assert f"the cost model `mine` of package `{package}`" in found[0].title
    assert said in found[0].title
    assert found[0].help


def test_two_plug_ins_of_one_class_of_options_are_refused(tmp_path, monkeypatch):
    source = HEAD + "class M:\n    def estimate(self, kernel, device, role=''):\n        raise NotImplementedError\n"
    source += "plugin = Plugin(None_, lambda e: (M(), []))\n"
    unpacked(tmp_path, "alike-costs", "moec.cost_models", "mine", source)
    points = next((tmp_path / "site").glob("*.dist-info")) / "entry_points.txt"
    points.write_text(f"{points.read_text()}other = alike_costs:plugin\n")
    forgotten(monkeypatch)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    assert load_text(spec(COSTS="mine()"))[0] is not None
    report = load_text(spec(COSTS="other()"))[1]

    assert [d.code for d in report.diagnostics] == ["M196"]
    assert "has the same class of options as `mine`" in report.diagnostics[0].title


def test_two_packages_of_one_name_are_refused(tmp_path, monkeypatch):
    for package in ("one-costs", "other-costs"):
        unpacked(tmp_path, package, "moec.cost_models", "mine", HEAD + "plugin = Plugin(None_, lambda e: 0)")
    forgotten(monkeypatch)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    report = load_text(spec(COSTS="mine()"))[1]

    assert [d.code for d in report.diagnostics] == ["M196"]
    assert "both add a cost model `mine`" in report.diagnostics[0].title
    assert report.diagnostics[0].span is not None


@pytest.mark.parametrize(
    ("group", "field", "source", "said"),
    [
        (
            "moec.placements",
            "PLACEMENT",
            "lambda e, load: (np.zeros((2, 128), int), [])",
            "leaves out an expert of MoE layer 0",
        ),
        ("moec.placements", "PLACEMENT", "lambda e, load: (np.zeros(3, int), [])", "gave int64 of [3]"),
        ("moec.placements", "PLACEMENT", "lambda e, load: (np.full((2, 128), 128), [])", "gave expert 128"),
        ("moec.routers", "ROUTER", "lambda e: lambda queues: 8", "chose 8, which is none of the 8 targets"),
        ("moec.routers", "ROUTER", "lambda e: lambda queues: None", "chose None, which is none of the 8 targets"),
        ("moec.routers", "ROUTER", "lambda e: 3", "gave int, which cannot be called"),
        ("moec.request_readers", "REQUESTS", "lambda e: [1, 2]", "gave list, not a reader of requests and diagnostics"),
        ("moec.backends", "BACKEND", "lambda e: object()", "has no `run`"),
        ("moec.backends", "BACKEND", "lambda e: Idle(lambda load: None)", "gave NoneType as the times of iterations"),
        ("moec.backends", "BACKEND", "lambda e: Idle(lambda load: 1 / 0)", "raised ZeroDivisionError"),
    ],
)
def test_results_that_cannot_be_used_are_refused(group, field, source, said, tmp_path, monkeypatch):
    package = f"wrong-{crc32(source.encode())}"
    unpacked(tmp_path, package, group, "mine", HEAD + f"plugin = Plugin(None_, {source})")
    forgotten(monkeypatch)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    text = spec(**{field: "mine()" if field != "REQUESTS" else "mine(), arrivals = burst()"})
    text += "routing hot { popularity = zipf(exponent: 1.2) }\n"

    session, found = moec.open_session(load_text(text.replace("experiment e {", "experiment e { routing = hot,"))[0])
    if session is not None:
        found = moec.simulate(session)[1]

    assert [d.code for d in found] == ["M197"]
    assert f"of package `{package}`" in found[0].title
    assert said in found[0].title


def test_moecs_own_are_not_registered_a_second_time():
    assert not [entry for group in registry.GROUPS for entry in entry_points(group=group) if "moec." in entry.value]


@pytest.mark.parametrize("group", registry.GROUPS)
def test_every_built_in_one_can_be_made(group):
    assert all(callable(registry.maker(group, name)) for name in registry.GROUPS[group].built_in)
