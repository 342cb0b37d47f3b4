"""How a diagnostic is laid out."""

from __future__ import annotations

from moec.diagnostics import Diagnostic, Label, Report, Span
from moec.diagnostics.render import render, styled

TEXT = """moe 1

cluster pod {
  node = hw.dgx_h100
}

parallelism wide {
  attention { tp = 1, dp = 8 }
  experts { ep = 8, redundant = 32 }
}
"""
FITS_NOT = Diagnostic(
    "M301",
    "the experts do not fit in GPU memory",
    Span("v3.moe", 9, 13, 9, 19),
    "288 experts / 8 GPUs = 36 each, 92 GB in fp8",
    (Label(Span("v3.moe", 9, 21, 9, 35), "32 of them"), Label(Span("v3.moe", 4, 10, 4, 21), "80 GB per GPU")),
    "`ep = 16` needs 46 GB",
)


def _one(diagnostic: Diagnostic, text: str = TEXT, file: str = "v3.moe") -> str:
    return render(Report((diagnostic,), {file: text}))


def test_the_primary_comes_first_then_the_causes_by_line() -> None:
    assert _one(FITS_NOT) == (
        """error[M301]: the experts do not fit in GPU memory
 --> v3.moe:9:13
  |
9 |   experts { ep = 8, redundant = 32 }
  |             ^^^^^^ 288 experts / 8 GPUs = 36 each, 92 GB in fp8
  |                     -------------- 32 of them
4 |   node = hw.dgx_h100
  |          ----------- 80 GB per GPU
  = help: `ep = 16` needs 46 GB"""
    )


def test_a_cause_in_another_file_names_it() -> None:
    cause = Label(Span("std/hardware.moe", 120, 1, 120, 7), "80 GB")
    diagnostic = Diagnostic("M301", "too large", Span("v3.moe", 4, 10, 4, 21), labels=(cause,))
    report = Report((diagnostic,), {"v3.moe": TEXT, "std/hardware.moe": "\n" * 119 + "device x {\n"})
    assert render(report) == (
        """error[M301]: too large
   --> v3.moe:4:10
    |
  4 |   node = hw.dgx_h100
    |          ^^^^^^^^^^^
   ::: std/hardware.moe:120
    |
120 | device x {
    | ------ 80 GB"""
    )


def test_tabs_and_wide_characters_keep_the_marks_in_place() -> None:
    text = 'x\t= "専門家" @\n'
    assert _one(Diagnostic("M005", "odd", Span("v3.moe", 1, 11, 1, 12)), text).split("\n")[3:] == [
        '1 | x   = "専門家" @',
        "  |                ^",
    ]


def test_a_span_over_lines_is_marked_to_the_end_of_its_first() -> None:
    lines = _one(Diagnostic("M105", "twice", Span("v3.moe", 3, 1, 5, 2), "here")).split("\n")
    assert lines[3:] == ["3 | cluster pod {", "  | ^^^^^^^^^^^^^ here"]


def test_a_diagnostic_without_a_place_is_its_title_and_its_fix() -> None:
    assert _one(Diagnostic("M501", "cannot read `x`", help="did you mean `y`?", severity="warning")) == (
        "warning[M501]: cannot read `x`\n  = help: did you mean `y`?"
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = _one(Diagnostic("M005", "odd \x1b[2J", Span("v3.moe", 1, 1, 1, 2)), "a\x1b]0;b\u202e\n")
    assert not set(text) & {"\x1b", "\u202e"}


def test_colour_does_not_change_the_text() -> None:
    report = Report((FITS_NOT, FITS_NOT), {"v3.moe": TEXT})
    assert styled(report).plain == render(report)
    assert "bold red" in {str(span.style) for span in styled(report).spans}
