"""JSON ⇄ protobuf: the whole translation between REST and the mesh, in two generic functions.

`to_pb` fills a request from a body, `to_json` writes a message. Field names are the proto's own; a
Document is the JSON it holds, unread; an enum is its name without the prefix, in lower case, and
null when not said. A converter is compiled once per message type: several times faster than
json_format, which knows neither documents nor our enums.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from pydantic import BaseModel

from shared.errors import InvalidInput, Violation
from shared.pb.flowloom.common.v1.document_pb2 import Document

M = TypeVar("M", bound=Message)
Convert = Callable[[Any], Any]

_DOCUMENT = "flowloom.common.v1.Document"
_TIMESTAMP = "google.protobuf.Timestamp"
_DURATION = "google.protobuf.Duration"
_NULL = orjson.Fragment(b"null")


class WireEnum(StrEnum):
    """An enum of the mesh as REST spells it; the class has the proto enum's name."""


def to_pb(kind: type[M], body: BaseModel | None = None, /, **fields: object) -> M:
    """A request, from what the body says and `fields` add; what neither says stays unset.

    Raises:
        InvalidInput: A value does not fit its field, or a document is nested too deeply.
    """
    said = {name: getattr(body, name) for name in body.model_fields_set} if body else {}
    message = kind()
    for name, value in {**said, **fields}.items():
        if value is None:
            continue
        field = cast("FieldDescriptor", message.DESCRIPTOR.fields_by_name[name])
        try:
            _set(message, field, value)
        except (TypeError, ValueError) as error:
            violation = Violation(f"/{name}", "invalid_value", str(error).capitalize())
            raise InvalidInput("A value does not fit.", violations=[violation]) from error
    return message


def to_dict(message: Message) -> dict[str, Any]:
    """A message as orjson can write it: documents are fragments of JSON."""
    return _writer(message.DESCRIPTOR)(message)


def to_json(message: Message) -> bytes:
    """A message as JSON."""
    return orjson.dumps(_writer(message.DESCRIPTOR)(message))


def enum_name(enum: EnumDescriptor, number: int) -> str | None:
    """`RUN_STATUS_RUNNING` is `running`; a value that is not said, or not known here, is None."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(_prefix(enum)).lower() if value and number else None


def _set(message: Message, field: FieldDescriptor, value: object) -> None:
    match field.message_type.full_name if field.message_type else "":
        case _ if field.is_repeated:
            getattr(message, field.name).extend(value)
        case name if name == _DOCUMENT:
            cast("Document", getattr(message, field.name)).json = orjson.dumps(value)
        case name if name == _DURATION:
            getattr(message, field.name).FromTimedelta(cast("timedelta", value))
        case _ if field.enum_type:
            name = f"{_prefix(field.enum_type)}{str(value).upper()}"
            setattr(message, field.name, field.enum_type.values_by_name[name].number)
        case _:
            setattr(message, field.name, value)


@cache
def _writer(descriptor: Descriptor) -> Callable[[Message], dict[str, Any]]:
    fields = [(field.name, _value_of(field)) for field in descriptor.fields]

    def write(message: Message) -> dict[str, Any]:
        return {name: value_of(message) for name, value_of in fields}

    return write


def _value_of(field: FieldDescriptor) -> Callable[[Message], Any]:
    name, convert = field.name, _convert(field)
    if field.is_repeated:
        return lambda message: [convert(value) for value in getattr(message, name)]
    if field.has_presence:
        return lambda message: convert(getattr(message, name)) if message.HasField(name) else None
    return lambda message: convert(getattr(message, name))


def _convert(field: FieldDescriptor) -> Convert:
    if field.enum_type:
        return _names(field.enum_type).get
    if not field.message_type:
        return _as_it_is
    special: Mapping[str, Convert] = {
        _DOCUMENT: lambda document: orjson.Fragment(document.json) if document.json else _NULL,
        _TIMESTAMP: lambda time: f"{_second(time.seconds)}.{time.nanos // 1000:06d}Z",
        _DURATION: lambda duration: duration.ToJsonString(),
    }
    return special.get(field.message_type.full_name) or _writer(field.message_type)


def _as_it_is(value: object) -> object:
    return value


@cache
def _names(enum: EnumDescriptor) -> Mapping[int, str | None]:
    return {number: enum_name(enum, number) for number in enum.values_by_number}


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def _prefix(enum: EnumDescriptor) -> str:
    """What all values of an enum begin with: the name of its zero value says it."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
