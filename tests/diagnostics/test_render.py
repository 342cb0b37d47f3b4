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


def test_twenty_errors_are_shown_and_the_rest_are_counted():
    many = tuple(Diagnostic("M101", f"error {i}", Span("f", 1, 1, 1, 2)) for i in range(10_000))
    text = render(Report((*many, Diagnostic("M401", "a warning", severity="warning")), {"f": "x"}))

    assert text.count("error[M101]") == 20
    assert "warning[M401]" in text
    assert text.endswith("and 9,980 more errors")


def test_of_a_long_line_only_what_stands_around_the_marks_is_shown():
    line = "a" * 3_000_000 + "WRONG" + "b" * 3_000_000
    span = Span("f", 1, 3_000_001, 1, 3_000_006)
    far = Label(Span("f", 1, 1, 1, 2), "because of this")

    text = render(Report((Diagnostic("M101", "no", span, "here", (far,)),), {"f": line}))
    shown = text.split("\n")

    assert len(text) < 800
    at = next(i for i, row in enumerate(shown) if "WRONG" in row)
    assert shown[at][shown[at + 1].index("^") :].startswith("WRONG")
    assert shown[at + 1].count("^") == 5
    assert "because of this" in text


def test_a_title_that_quotes_a_user_without_end_is_cut():
    text = render(Report((Diagnostic("M503", f"cannot read `{'x' * 100_000}`: no such file", None),)))

    assert len(text) < 1_200
    assert text.endswith("no such file")
