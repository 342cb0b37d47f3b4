"""Message classes of the trace schema, made at run time from our own `et_def.proto`.

No generated code: the classes live in a descriptor pool of their own, so that they cannot clash with another copy of
Chakra's schema in the same process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

_TOKEN = re.compile(r'//[^\n]*|"[^"]*"|[\w.]+|[{}=;]')
_SCALARS = (
    "double",
    "float",
    "int64",
    "uint64",
    "int32",
    "fixed64",
    "fixed32",
    "bool",
    "string",
    "group",
    "message",
    "bytes",
    "uint32",
    "enum",
    "sfixed32",
    "sfixed64",
    "sint32",
    "sint64",
)
"""Names of `FieldDescriptorProto.Type`, in the order of its numbers from 1 on (protobuf's descriptor.proto)."""


@cache
def message_class(name: str) -> Any:
    """The protobuf class of a message of the schema: `Node`, `GlobalMetadata`, `AttributeProto` …"""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"moec.chakra.{name}"))


@cache
def enum_names(name: str) -> dict[int, str]:
    """The names of an enumeration's numbers."""
    return {v.number: v.name for v in _pool().FindEnumTypeByName(f"moec.chakra.{name}").values}


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    text = resources.files("moec.compiler.chakra").joinpath("et_def.proto").read_text(encoding="utf-8")
    pool.Add(parse(text))
    return pool


def parse(text: str) -> FileDescriptorProto:
    """The descriptor of a proto3 file of top-level messages and enumerations: all that our schema uses.

    Raises ValueError for any other statement.
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    tokens = (t for t in _TOKEN.findall(text) if not t.startswith("//"))
    file = FileDescriptorProto(name="moec/chakra/et_def.proto")
    for word in tokens:
        match word:
            case "syntax":
                file.syntax = _statement(tokens)[1].strip('"')
            case "package":
                file.package = _statement(tokens)[0]
            case "message":
                _message(tokens, file.message_type.add(name=next(tokens)), file.package)
            case "enum":
                enum = file.enum_type.add(name=next(tokens))
                for label, _, number in _body(tokens):
                    enum.value.add(name=label, number=int(number))
            case _:
                raise ValueError(f"the schema parser does not know `{word}`")
    enums = {f".{file.package}.{enum.name}" for enum in file.enum_type}
    for field in (field for message in file.message_type for field in message.field):
        if field.type_name:
            field.type = field.TYPE_ENUM if field.type_name in enums else field.TYPE_MESSAGE
    return file


def _statement(tokens: Iterator[str]) -> list[str]:
    """The words up to the next semicolon."""
    words: list[str] = []
    for token in tokens:
        if token == ";":
            return words
        words.append(token)
    raise ValueError("the schema ends within a statement")


def _body(tokens: Iterator[str]) -> Iterator[list[str]]:
    """The statements between braces; a nested `oneof` comes as its opening words."""
    if next(tokens) != "{":
        raise ValueError("the schema needs `{` here")
    words: list[str] = []
    for token in tokens:
        if token == "}":
            return
        if token in (";", "{"):
            yield words
            words = []
        else:
            words.append(token)
    raise ValueError("the schema ends within braces")


def _message(tokens: Iterator[str], message: DescriptorProto, package: str) -> None:
    body = _body(tokens)
    for words in body:
        if words[0] == "oneof":
            message.oneof_decl.add(name=words[1])
            for inner in _oneof(tokens):
                _field(message, inner, package, oneof=True)
        else:
            _field(message, words, package)


def _oneof(tokens: Iterator[str]) -> Iterator[list[str]]:
    while (first := next(tokens)) != "}":
        yield [first, *_statement(tokens)]


def _field(message: DescriptorProto, words: list[str], package: str, *, oneof: bool = False) -> None:
    repeated = words[0] == "repeated"
    kind, name, _, number = words[1:] if repeated else words
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind in _SCALARS:
        field.type = _SCALARS.index(kind) + 1
    else:
        field.type_name = f".{package}.{kind}"
    if oneof:
        field.oneof_index = 0
