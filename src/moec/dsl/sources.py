"""The files of a specification: the one that is asked for and those that it uses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from moec.diagnostics import Diagnostic, Label, Span
from moec.diagnostics.nearest import did_you_mean, listed, nearest
from moec.diagnostics.not_yet import cannot_yet
from moec.dsl.meaning.later import sweep_cannot_run
from moec.dsl.meaning.shapes import shapes_of
from moec.dsl.meaning.surface import KINDS
from moec.dsl.meaning.values import Unit
from moec.dsl.text import ast
from moec.dsl.text.foreign import not_a_specification
from moec.dsl.text.json_text import parse_json
from moec.dsl.text.parser import parse
from moec.regular_file import SPECIFICATION_MOST, read_regular, reason_of

STD = Path(__file__).with_name("std")
_NESTED_KINDS = ("pool", "instance")


@dataclass(slots=True)
class Sources:
    """Texts and hashes by the name a user would give the file, the units made of them, and the mistakes."""

    texts: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _units: dict[Path, Unit] = field(default_factory=dict)
    _open: list[tuple[Path, str]] = field(default_factory=list)

    def read(self, path: Path, named: str, at: Span | None = None, *, library: bool = False) -> Unit | None:
        """The unit of the file at `path`, or None when it cannot be read or its brackets do not match."""
        key = path.absolute()
        if key not in self._units:
            text = self._read_text(path, named, at)
            if text is None:
                return None
            unit = self.add(text, named, path, at, library=library)
            if unit is None:
                return None
            self._units[key] = unit
        return self._units[key]

    def add(self, text: str, named: str, path: Path, at: Span | None = None, *, library: bool = False) -> Unit | None:
        """The unit of a text that stands for the file at `path`, which is named `at`."""
        self.hashes.setdefault(named, hashlib.sha256(text.encode()).hexdigest())
        is_json = named.endswith(".json")
        foreign = not_a_specification(text, named, is_json=is_json, at=at)
        if foreign is not None:
            self.texts[named] = ""  # what is no specification is not shown
            self.diagnostics.append(foreign)
            return None
        self.texts[named] = text
        tree, found = parse_json(text, named) if is_json else parse(text, named)
        self.diagnostics += found
        return self.link(tree, named, path, library=library) if tree is not None else None

    def link(self, tree: ast.File, named: str, path: Path, *, library: bool = False) -> Unit:
        """The unit of a parsed file, with its definitions and the files that it uses."""
        unit = Unit(named, path.parent, tree, library)
        self._define(unit)
        self._open.append((path.absolute(), named))
        for use in tree.uses:
            self._use(unit, use)
        self._open.pop()
        return unit

    def _read_text(self, path: Path, named: str, at: Span | None) -> str | None:
        try:
            content = read_regular(path, SPECIFICATION_MOST)
            self.hashes[named] = hashlib.sha256(content).hexdigest()
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            title = f"`{named}` is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
            self.diagnostics.append(Diagnostic("M504", title, at, help="save it as UTF-8"))
        except (OSError, ValueError) as error:
            help = _siblings(path) if not path.exists() else "name a file of the language, some pages long"
            self.diagnostics.append(Diagnostic("M501", f"cannot read `{named}`: {reason_of(error)}", at, help=help))
        return None

    def _define(self, unit: Unit) -> None:
        for definition in unit.tree.definitions:
            self._check_kind(definition)
            first = unit.definitions.setdefault((definition.kind.text, definition.name.text), definition)
            if first is not definition:
                self._twice(definition.name, first.name.span)

    def _twice(self, name: ast.Name, first: Span) -> None:
        labels = (Label(first, "first here"),)
        title = f"`{name.text}` is defined twice"
        self.diagnostics.append(Diagnostic("M105", title, name.span, labels=labels, help="rename one"))

    def _check_kind(self, definition: ast.Definition) -> None:
        kind = definition.kind.text
        if kind in KINDS:
            return
        if kind == "sweep":
            self.diagnostics.append(sweep_cannot_run(definition.name))
            return
        if kind in _NESTED_KINDS:
            self.diagnostics.append(cannot_yet(f"`{kind}`", definition.kind.span))
            return
        owners = [name for name, cls in KINDS.items() if kind in shapes_of(cls)]
        if owners:
            help = f"`{kind}` is a field of {listed(owners)}: write it inside"
        else:
            help = did_you_mean(kind, (*KINDS, "sweep", "use"), listing="kinds")
        self.diagnostics.append(Diagnostic("M102", f"unknown kind `{kind}`", definition.kind.span, help=help))

    def _use(self, unit: Unit, use: ast.Use) -> None:
        written = use.path.value
        if written == "std" or written.startswith("std/"):
            used = self._use_library(written, use.path.span)
        else:
            used = self._use_file(unit, written, use.path.span)
        name = self._namespace(use)
        if used is None or name is None:
            return
        taken = unit.called(name.text)
        if taken or name.text in unit.namespaces:
            self._twice(name, taken[0].name.span if taken else unit.tree.uses[0].path.span)
            return
        unit.namespaces[name.text] = used

    def _namespace(self, use: ast.Use) -> ast.Name | None:
        if use.alias is not None:
            return use.alias
        stem = Path(use.path.value).name.removesuffix(".moe")
        if stem.isidentifier() and stem.isascii():
            return ast.Name(stem, use.path.span)
        title = f"`{stem}` cannot be the name of what is used"
        help = f'give it one: `use "{use.path.value}" as name`'
        self.diagnostics.append(Diagnostic("M111", title, use.path.span, help=help))
        return None

    def _use_library(self, written: str, at: Span) -> Unit | None:
        name = written.removeprefix("std/").removesuffix(".moe")
        known = sorted(file.stem for file in STD.glob("*.moe"))
        if name not in known:
            help = did_you_mean(written, [f"std/{k}" for k in known], listing="the library has")
            self.diagnostics.append(Diagnostic("M502", f"the library has no `{written}`", at, help=help))
            return None
        return self.read(STD / f"{name}.moe", f"std/{name}.moe", at, library=True)

    def _use_file(self, unit: Unit, written: str, at: Span) -> Unit | None:
        path = unit.directory / written
        for i, (waiting, _) in enumerate(self._open):
            if waiting == path.absolute():
                circle = " -> ".join([name for _, name in self._open[i:]] + [written])
                self.diagnostics.append(
                    Diagnostic("M110", f"a file uses itself: {circle}", at, help="remove this `use`")
                )
                return None
        return self.read(path, (Path(unit.named).parent / written).as_posix(), at)


def _siblings(path: Path) -> str:
    """The file beside `path` that was probably meant."""
    try:
        names = sorted(file.name for file in path.parent.iterdir() if file.suffix == path.suffix)
    except (OSError, ValueError):
        return f"there is no folder `{path.parent.name}` there"
    guess = nearest(path.name, names)
    return f"did you mean `{guess}`?" if guess is not None else "paths are relative to the file that names them"
