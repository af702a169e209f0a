"""What an operation of a vendor's API is: the parameters it takes and the request they make.

An operation is a model of parameters with a `Call`. Fields that the call's path names go there, the
others into the query of a reading call and into the body of a changing one, under their own names
unless the call says otherwise. `Choice` makes one type of parameters of several operations.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Union, get_args
from urllib.parse import quote

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from engine_service.connectors.pages import Pages
from engine_service.sdk.node import Effect, Failed, NodeError, NodeParameters
from engine_service.values.field_types import to_text
from shared.workflow import JsonObject

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
OPERATION: Any = Field(description="What to do")
_STEP = re.compile(r"\{(\w+)(\*?)\}")


@dataclass(frozen=True, slots=True)
class Call:
    """The request that an operation makes.

    Attributes:
        path: Below the vendor's base address, with `{field}` where a field's value goes, and
            `{field*}` where its slashes stay such.
        effect: Whether a repeat is harmless: READ and KEYED are repeated when nobody knows what
            became of them, UNSAFE only when the vendor had certainly not begun.
        bodied: It has a body although it reads or deletes.
        query: Fields that go into the query although the call has a body.
        names: What fields are called there, where it is not what they are called here.
        unsent: Fields that are none of the vendor's business.
        fixed: What is always sent.
        items: Where in the answer the items are; the answer itself when empty.
        pages: How to get from one page of a list to the next.
        key: The field of the body that makes a repeat of the call harmless, and how long it may be.
    """

    method: Method
    path: str
    effect: Effect = Effect.UNSAFE
    bodied: bool = False
    query: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    unsent: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    items: str = ""
    pages: Pages | None = None
    key: tuple[str, int] | None = None

    @property
    def in_path(self) -> Sequence[str]:
        """The fields that the path names."""
        return [name for name, _ in _STEP.findall(self.path)]


class Operation(NodeParameters):
    """Parameters of one operation. Subclasses have a field `operation` that names them.

    Class attributes:
        call: The request it makes.
        sample: An item such as it gives.
    """

    call: ClassVar[Call]
    sample: ClassVar[JsonObject]

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        """What it does to the world with these parameters (as written, expressions unfilled)."""
        del parameters
        return cls.call.effect

    def to_call(self) -> Call:
        """The request, when it depends on parameters what that is."""
        return self.call

    def to_path(self) -> str:
        """The path, filled.

        Raises:
            NodeError: Some value would lead elsewhere.
        """
        return _STEP.sub(self._step, self.call.path)

    def to_query(self) -> JsonObject:
        """What goes into the query."""
        names = self.call.query if self._has_body else self._sendable()
        return {**({} if self._has_body else self.call.fixed), **self._written(names)}

    def to_body(self) -> Any:
        """What goes into the body; None when there is none."""
        if not self._has_body:
            return None
        names = [name for name in self._sendable() if name not in self.call.query]
        return {**self.call.fixed, **self._written(names)}

    def at_most(self) -> int | None:
        """How many items are wanted at most; None for all there are."""
        return None

    def shown(self, member: Any) -> Any:
        """An item of the answer, as it is given on."""
        return member

    def findings(self) -> Iterator[tuple[str, str, str]]:
        """What is wrong beyond the schema, as `NodeType.check` says it."""
        return iter(())

    @property
    def _has_body(self) -> bool:
        return self.call.bodied or self.call.method not in ("GET", "DELETE")

    def _step(self, step: re.Match[str]) -> str:
        name, many = step.groups()
        value = to_text(getattr(self, name))
        parts = value.strip("/").split("/") if many else [value]
        if any(not part.strip(".") for part in parts):
            raise NodeError(Failed("bad_request", f"{name!r} cannot be {value!r}."))
        return "/".join(quote(part, safe="") for part in parts)

    def _sendable(self) -> Sequence[str]:
        kept_back = {"operation", *self.call.in_path, *self.call.unsent}
        return [name for name in type(self).model_fields if name not in kept_back]

    def _written(self, names: Sequence[str]) -> JsonObject:
        """Fields by the vendor's names, without what nobody wrote."""
        values = self.model_dump(include=set(names), exclude_none=True)
        return {self.call.names.get(name, name): value for name, value in values.items()}


class Listing(Operation):
    """An operation that gives a list, page by page."""

    limit: int | None = Field(
        default=100, ge=1, le=100_000, description="At most this many items; null for all"
    )

    def at_most(self) -> int | None:
        return self.limit

    def _sendable(self) -> Sequence[str]:
        return [name for name in super()._sendable() if name != "limit"]


class Choice(NodeParameters):
    """Parameters that are those of one of several operations, chosen by the field `operation`.

    Validating gives an instance of the operation's model.
    """

    operations: ClassVar[tuple[type[Operation], ...]] = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not cls.operations:
            return handler(source)
        members: Any = Union[cls.operations]  # noqa: UP007 - of a tuple that is known at run time
        return handler.generate_schema(Annotated[members, Field(discriminator="operation")])

    @classmethod
    def described(cls) -> Mapping[str, str]:
        """Fields of all operations; where they mean different things, each meaning once."""
        meanings: dict[str, list[str]] = {"operation": [f"One of {_listed(cls.names())}"]}
        for operation in cls.operations:
            for name, meaning in operation.described().items():
                known = meanings.setdefault(name, [])
                if name != "operation" and meaning not in known:
                    known.append(meaning)
        return {name: "; or: ".join(known) for name, known in meanings.items()}

    @classmethod
    def names(cls) -> Sequence[str]:
        """The names of the operations."""
        return [_name_of(operation) for operation in cls.operations]

    @classmethod
    def find(cls, name: Any) -> type[Operation] | None:
        """The operation of this name."""
        return next((one for one in cls.operations if _name_of(one) == name), None)


def _name_of(operation: type[Operation]) -> str:
    return get_args(operation.model_fields["operation"].annotation)[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
