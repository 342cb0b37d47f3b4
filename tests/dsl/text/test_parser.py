"""The form of the language: separators, values, spans, and going on after a mistake."""

from __future__ import annotations

from moec.diagnostics import Span
from moec.dsl.text import ast
from moec.dsl.text.parser import parse


def _fields(body: str) -> tuple[ast.Field, ...]:
    tree, found = parse(f"moe 1\nserving s {{ {body} }}\n", "x.moe")
    assert found == ()
    assert tree is not None
    block = tree.definitions[0].block
    assert block is not None
    return block.fields


def _value(text: str) -> ast.Expr:
    (field,) = _fields(f"x = {text}")
    assert isinstance(field, ast.Assign)
    return field.value


def test_a_comma_or_a_new_line_ends_a_field() -> None:
    assert [f.name.text for f in _fields("a = 1, b = 2\n c = 3,\n\n # d = 4\n e = 5,")] == ["a", "b", "c", "e"]


def test_new_lines_inside_parentheses_and_brackets_do_not_count() -> None:
    assert [f.name.text for f in _fields("a = f(\n x: 1,\n y: 2,\n)\n b = [1,\n 2]\n c = (1 +\n 2)")] == ["a", "b", "c"]


def test_numbers_and_quantities() -> None:
    written = {
        "2_000": (2000, ""),
        "0.9": (0.9, ""),
        "1e9": (1e9, ""),
        "450 GB/s": (450, "GB/s"),
        "1.5e3us": (1500.0, "us"),
    }
    for text, (value, unit) in written.items():
        number = _value(text)
        assert isinstance(number, ast.Number)
        assert (number.value, type(number.value), number.unit) == (value, type(value), unit)


def test_a_range_has_two_ends_and_perhaps_a_step() -> None:
    match _value("1..64 by 8"):
        case ast.Range(ast.Number(value=1), ast.Number(value=64), ast.Number(value=8)):
            pass
        case other:
            raise AssertionError(other)


def test_products_bind_closer_than_sums_and_minus_closest() -> None:
    match _value("1 + -a.b * 3 - 2"):
        case ast.Binary("-", ast.Binary("+", ast.Number(), ast.Binary("*", ast.Negative(ast.Path()), _)), ast.Number()):
            pass
        case other:
            raise AssertionError(other)


def test_a_variant_may_be_written_with_or_without_equals() -> None:
    assign, labelled = _fields("a = gqa { heads = 2 }\n b gqa { heads = 2 }")
    assert isinstance(assign, ast.Assign)
    assert isinstance(assign.value, ast.Amended)
    assert isinstance(labelled, ast.Labelled)


def test_every_node_knows_its_place() -> None:
    tree, _ = parse("moe 1\nlink l {\n  bandwidth = 2 * (3 GB/s)\n}\n", "x.moe")
    assert tree is not None
    block = tree.definitions[0].block
    assert block is not None
    assert tree.definitions[0].span == Span("x.moe", 2, 1, 4, 2)
    (field,) = block.fields
    assert field.span == Span("x.moe", 3, 3, 3, 27)
    assert isinstance(field, ast.Assign)
    assert isinstance(field.value, ast.Binary)
    assert field.value.right.span == Span("x.moe", 3, 19, 3, 27)


def test_field_names_may_be_kinds_and_the_edition_word() -> None:
    assert [f.name.text for f in _fields("moe { moe = 1 }, model = 2, use_it = 3, s = 4")] == [
        "moe",
        "model",
        "use_it",
        "s",
    ]


def test_a_mistake_costs_its_field_and_no_more() -> None:
    text = "moe 1\nserving s {\n  a = = 1\n  b { c = , d = 2 }\n  e = 3\n}\nwhat is this\nserving t { f = 4 }\n"
    tree, found = parse(text, "x.moe")
    assert [(d.code, d.span.line) for d in found if d.span] == [("M001", 3), ("M001", 4), ("M001", 7)]
    assert tree is not None
    first, second = tree.definitions
    assert first.block is not None
    assert [f.name.text for f in first.block.fields] == ["b", "e"]
    assert first.block.damaged
    assert second.block is not None
    assert not second.block.damaged


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    tree, found = parse("moe 1\r\nserving s {\r\n  a = 1\r\n}\r\n", "x.moe")
    assert found == ()
    assert tree is not None
    assert tree.definitions[0].span == Span("x.moe", 2, 1, 4, 2)


def test_an_empty_file_only_lacks_its_edition() -> None:
    for text in ("", "\n", "# nothing\n"):
        assert [d.code for d in parse(text, "x.moe")[1]] == ["M004"]
