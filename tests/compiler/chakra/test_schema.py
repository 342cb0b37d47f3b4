"""The message classes made from our own .proto."""

import pytest

from moec.compiler.chakra.schema import enum_names, message_class, parse


def test_messages_have_the_published_field_numbers():
    node = message_class("Node")(id=3, name="x", type=7, data_deps=[1, 300], duration_micros=5)
    node.attr.add(name="comm_size", int64_val=0)

    # id = 1, name = 2, type = 3, data_deps = 5 (packed), duration_micros = 7, attr = 10 {name = 1, int64_val = 9}
    assert (
        node.SerializeToString()
        == b"\x08\x03\x12\x01x\x18\x07\x2a\x03\x01\xac\x02\x38\x05\x52\x0d\x0a\x09comm_size\x48\x00"
    )


def test_an_attribute_holds_one_value():
    attribute = message_class("AttributeProto")(name="a", bool_val=True)
    attribute.string_val = "b"

    assert attribute.WhichOneof("value") == "string_val"


def test_node_types_are_those_of_the_feeder():
    assert enum_names("NodeType")[4] == "COMP_NODE"
    assert len(enum_names("NodeType")) == 8


def test_the_classes_do_not_clash_with_another_pool():
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("moec.chakra.Node")


@pytest.mark.parametrize("text", ['import "x";', "message A { int32 a = 1;", "message A ; "])
def test_what_the_parser_does_not_know_is_said(text):
    with pytest.raises(ValueError, match="schema"):
        parse(text)
