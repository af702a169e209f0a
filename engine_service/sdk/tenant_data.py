"""What a tenant keeps between runs, as nodes see it: small tables, and what was seen before.

Nodes name tables, fields and values; how they are kept is no business of theirs. Everything that
writes takes the execution's idempotency key: the same write under the same key happens once, and
gives what it gave then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol

from engine_service.sdk.failure import Failed, NodeError
from shared.workflow import JsonObject

Operator = Literal["equals", "not_equals", "gt", "gte", "lt", "lte", "contains", "empty", "filled"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a field of a row."""

    field: str
    operator: Operator
    value: Any = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows are meant: those that meet all conditions, or any of them; all, where none is."""

    conditions: Sequence[Condition] = ()
    any_of: bool = False


class TenantData(Protocol):
    """A tenant's data; every method may raise `NodeError`."""

    async def find(
        self, table: str, choice: Choice, *, order_by: str, descending: bool, limit: int
    ) -> list[JsonObject]:
        """Rows with `id`, `created_at` and `updated_at` beside their own fields."""
        ...

    async def insert(self, table: str, rows: Sequence[JsonObject], key: str) -> list[JsonObject]:
        """New rows."""
        ...

    async def upsert(
        self, table: str, match: Sequence[str], rows: Sequence[JsonObject], key: str
    ) -> list[JsonObject]:
        """For each row: changes the rows whose `match` fields are the same, or a new one."""
        ...

    async def update(
        self, table: str, choice: Choice, fields: JsonObject, key: str
    ) -> list[JsonObject]:
        """Changes some fields of the rows that are meant."""
        ...

    async def delete(self, table: str, choice: Choice, key: str) -> list[JsonObject]:
        """Removes the rows that are meant, and gives them."""
        ...

    async def see(self, scope: str, keys: Sequence[str], key: str, history: int) -> list[bool]:
        """For each of `keys`, whether an earlier execution saw it in this scope; now all have."""
        ...

    async def rise(self, scope: str, value: float | str, key: str) -> float | str | None:
        """The mark that earlier executions left in this scope; now it is at least `value`."""
        ...

    async def forget(self, scope: str) -> int:
        """Forgets what was seen in a scope; how much that was."""
        ...


class NoTenantData:
    """Where nothing is kept, as in a simulation."""

    async def find(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def insert(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def upsert(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def update(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def see(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def rise(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()

    async def forget(self, *_: Any, **__: Any) -> NoReturn:
        raise _nothing()


def _nothing() -> NodeError:
    return NodeError(Failed("no_tables", "There are no tables here."))
