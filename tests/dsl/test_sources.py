"""Files that are read, and files that are not: what is no specification, no regular file, or too large."""

from __future__ import annotations

import json
import os

import pytest

from moec.diagnostics.render import render
from moec.dsl.load import check_file, check_text, load
from moec.regular_file import SPECIFICATION_MOST

HUGGING_FACE = json.dumps({"architectures": ["X"], "hidden_size": 2048, "num_hidden_layers": 48, "vocab_size": 9})


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("config.json", HUGGING_FACE, "a Hugging Face model config"),
        ("config.moe", HUGGING_FACE, "a Hugging Face model config"),
        ("chat.json", json.dumps([{"conversations": [{"value": "secret"}]}]), "a ShareGPT file"),
        ("map.json", json.dumps({"moe_layer_count": 1, "layer_list": []}), "a map of experts to devices"),
        ("passwd", "root:x:0:0:secret:/root:/bin/sh\n" * 40, "is no specification"),
    ],
)
def test_what_is_no_specification_is_named_in_one_error_and_not_shown(tmp_path, name, text, word):
    (tmp_path / name).write_text(text)

    report = check_file(tmp_path / name)[1]
    shown = render(report)

    assert [d.code for d in report.diagnostics] == ["M004"]
    assert word in shown
    assert "secret" not in shown
    assert "2048" not in shown


def test_a_used_file_that_is_no_specification_is_blamed_where_it_is_used(tmp_path):
    (tmp_path / "notes.txt").write_text("a secret\n")
    (tmp_path / "x.moe").write_text('moe 1\nuse "notes.txt" as notes\nlink l { bandwidth = 1 GB/s }\n')

    report = check_file(tmp_path / "x.moe")[1]

    assert [(d.code, d.span.line) for d in report.diagnostics] == [("M004", 2)]
    assert "secret" not in render(report)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "x.moe").write_text('moe 1\nuse "pipe" as p\nworkload w { requests = trace("pipe") }\n')

    assert "not a regular file" in check_file(tmp_path / "pipe")[1].diagnostics[0].title
    found = check_file(tmp_path / "x.moe")[1].diagnostics
    assert [d.code for d in found if "not a regular file" in d.title] == ["M501", "M503"]


def test_a_file_too_large_for_a_specification_is_not_read(tmp_path):
    (tmp_path / "x.moe").write_text("moe 1\n# " + "x" * SPECIFICATION_MOST)

    found = check_file(tmp_path / "x.moe")[1].diagnostics

    assert [d.code for d in found] == ["M501"]
    assert "more than the 4 MiB that are read" in found[0].title


SMALL = """moe 1
use "std/models"
use "std/hardware" as hw
cluster tight { nodes = 1, node = hw.h100_x1 }
serving tight { kv_cache { memory = 0.8 } }
model tight = models.qwen3_30b_a3b { layers = 4 }
experiment tight { model = tight, cluster = tight, serving = tight }
"""


def test_names_are_unique_for_each_kind_and_the_field_decides_which_is_meant(tmp_path):
    (tmp_path / "x.moe").write_text(SMALL)

    experiment, report = load(tmp_path / "x.moe", overrides=["model=tight"])

    assert not report.diagnostics
    assert (experiment.model.layers, experiment.serving.kv_cache.memory, experiment.cluster.nodes) == (4, 0.8, 1)


def test_a_name_of_two_kinds_is_refused_where_nothing_decides():
    found = check_text(SMALL + "routing r { seed = tight }\n")[1].diagnostics

    assert [d.code for d in found] == ["M105"]
    assert "which is meant" in found[0].title


def test_the_member_that_is_asked_of_a_name_decides_between_its_kinds():
    assert not check_text(SMALL + "routing r { seed = tight.layers }\n")[1].diagnostics


def test_the_same_kind_and_name_twice_is_refused():
    assert [d.code for d in check_text(SMALL + "cluster tight = tight\n")[1].diagnostics] == ["M105"]


def test_a_closing_brace_ends_its_field_and_its_definition():
    text = "moe 1\nparallelism p { attention { dp = 8 } experts { ep = 8 } } link l { bandwidth = 1 GB/s } routing r { seed = 1 }\n"

    assert not check_text(text)[1].diagnostics


def test_a_missing_comma_is_named():
    found = check_text("moe 1\nparallelism p { attention { tp = 2 dp = 8 } }\n")[1].diagnostics

    assert [d.code for d in found] == ["M001"]
    assert found[0].help == "put a comma before `dp`"


def test_a_plan_with_a_syntax_error_is_not_judged(tmp_path):
    text = SMALL.replace("serving = tight", "serving = tight, parallelism { attention { dp = = 8 } }")
    (tmp_path / "x.moe").write_text(text)

    experiments, report = check_file(tmp_path / "x.moe")

    assert experiments == ()
    assert [d.code for d in report.diagnostics] == ["M001"]


@pytest.mark.slow
def test_a_long_chain_of_copies_is_read_and_late_bound():
    chain = "".join(f"link l{i} = l{i - 1} {{ latency = {i} us }}\n" for i in range(1, 3000))

    found = check_text(f"moe 1\nlink l0 {{ bandwidth = 1 GB/s }}\n{chain}")[1].diagnostics

    assert not found


@pytest.mark.parametrize(
    ("field", "help"),
    [
        ("hidden_size", "`hidden_size` of a Hugging Face config is `hidden`"),
        ("num_experts_per_tok", "`num_experts_per_tok` of a Hugging Face config is `top_k` of `moe { … }`"),
    ],
)
def test_the_names_of_hugging_face_are_translated(field, help):
    found = check_text(SMALL.replace("layers = 4", f"{field} = 4"))[1].diagnostics

    assert [(d.code, d.help) for d in found] == [("M101", help)]


def test_the_beginning_of_a_name_and_the_wanted_kind_count_in_suggestions():
    found = check_text(SMALL.replace("models.qwen3_30b_a3b", "models.qwen3_235b"))[1].diagnostics

    assert found[0].help == "did you mean `qwen3_235b_a22b`?"


def test_every_number_beside_other_forms_of_a_field_has_bounds():
    for form in ("input", "output"):
        other = "output" if form == "input" else "input"
        text = f"moe 1\nworkload w {{ requests = lengths({form}: -1, {other}: 5, count: 3) }}\n"
        assert "M204" in [d.code for d in check_text(text)[1].diagnostics]
