"""Runs an author's Python in Monty: an interpreter of its own, in worker processes of its own.

Monty has no files, no network, no environment and no modules but a few of its own, so there is
nothing to break out to; time, memory, depth and output are bounded inside the worker, and a worker
that does not keep them is killed. Each run has a process that no other run has used.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, cast

import pydantic_monty as monty

from engine_service.code.python_rules import Reading, read_python
from engine_service.code.results import (
    RESULT_INVALID,
    SYNTAX,
    CodeError,
    LogLine,
    Mode,
    SandboxResult,
    refuse_long,
    result_of,
)
from engine_service.expressions.scope import Scope
from engine_service.v8.pool import Limits
from shared.errors import Unavailable

_PRELUDE = """
class _Items:
    def __init__(self, items, item, params):
        self._items = items
        self.item = item
        self.params = params
    def all(self):
        return self._items
    def first(self):
        return self._items[0] if self._items else None
    def last(self):
        return self._items[-1] if self._items else None

def _(name):
    if name not in _nodes:
        raise LookupError("The node '" + name + "' has not run, so its data cannot be used")
    found = _nodes[name]
    return _Items(found["items"], found["item"], found["params"])

_node = {name: {"json": found["item"]["json"]} for name, found in _nodes.items() if found["item"]}
_input = _Items(_items, _item, {})
"""
_NEXT_ITEM = """
_input.item = _item
for _name, _place in _places.items():
    _found = _nodes[_name]
    _is_known = _place is not None and _place < len(_found["items"])
    _found["item"] = _found["items"][_place] if _is_known else None
    if _found["item"]:
        _node[_name] = {"json": _found["item"]["json"]}
"""
_PRELUDE_FILE = "<python-input-0>"
_PRELUDE_SECONDS = 5.0
_MEGABYTE = 1 << 20
_DEEPEST_CALLS = 400
_DEEPEST_RESULT = 500
_LONGEST_LOG = 256 * 1024
_MAX_LINES = 200
_MAX_LETTERS = 20_000
_GRACE_SECONDS = 1.0


class PythonCode:
    """The workers that run Python in an engine process. Must be closed."""

    def __init__(self, *, workers: int) -> None:
        self._workers = workers
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._pool: monty.AsyncMonty | None = None
        self._closed = False

    async def run(self, code: str, mode: Mode, scope: Scope, limits: Limits) -> SandboxResult:
        """Run the code once for all items of the scope, or once for each.

        Cancelling kills the run.

        Raises:
            CodeError: The code's fault, its limits included.
            Unavailable: No worker could be started.
        """
        refuse_long(code)
        reading = await asyncio.to_thread(read_python, code)
        run = _Run(code, limits)
        try:
            async with self._session(limits) as session:
                result = await run.results(session, mode, scope, reading)
        except monty.MontyCrashedError as error:
            raise _stopped(error, limits, run.logs) from None
        plain = await asyncio.to_thread(_plain_result, result, run.logs)
        return result_of(plain, mode, run.logs)

    async def close(self) -> None:
        """End the workers."""
        self._closed = True
        await self._stack.aclose()

    @asynccontextmanager
    async def _session(self, limits: Limits) -> "AsyncGenerator[monty.AsyncMontySession]":
        pool = await self._open()
        bounds: monty.ResourceLimits = {
            "max_feed_duration_secs": limits.seconds,
            "max_total_sleep_secs": limits.seconds,
            "max_memory": limits.megabytes * _MEGABYTE,
            "max_recursion_depth": _DEEPEST_CALLS,
        }
        async with pool.checkout(script_name="author.py", limits=bounds) as session:
            yield session

    async def _open(self) -> "monty.AsyncMonty":
        async with self._opening:
            if self._closed:
                raise Unavailable("The sandbox is closed.", reason="SANDBOX_CLOSED")
            if self._pool is None:
                pool = monty.AsyncMonty(
                    min_processes=0,
                    max_processes=self._workers,
                    max_checkouts_per_worker=1,
                    feed_duration_limit_grace=_GRACE_SECONDS,
                )
                try:
                    self._pool = await self._stack.enter_async_context(pool)
                except (OSError, monty.MontyError) as error:
                    message = "The sandbox did not start."
                    raise Unavailable(message, reason="SANDBOX_FAILED") from error
            return self._pool


class _Run:
    """One run of one code: what it prints is kept, what it raises is said."""

    def __init__(self, code: str, limits: Limits) -> None:
        self._code = code
        self._limits = limits
        self._printed = monty.CollectStreams(max_bytes=_LONGEST_LOG)

    @property
    def logs(self) -> list[LogLine]:
        """What it printed until now, as far as it is kept."""
        return _lines(self._printed.output)

    async def results(
        self, session: "monty.AsyncMontySession", mode: Mode, scope: Scope, reading: Reading
    ) -> Any:
        """What the code returned: for all items, or a list of what it did for each."""
        try:
            async with asyncio.timeout(self._limits.seconds + _PRELUDE_SECONDS):
                await self._prepare(session, scope, reading)
            async with asyncio.timeout(self._limits.seconds):
                if mode is Mode.ALL_ITEMS:
                    return await self._feed(session)
                return [
                    await self._for_item(session, scope, reading, index)
                    for index in range(len(scope.items))
                ]
        except TimeoutError:
            raise _too_slow(self._limits, self.logs) from None

    async def _prepare(
        self, session: "monty.AsyncMontySession", scope: Scope, reading: Reading
    ) -> None:
        try:
            await session.feed_run(_PRELUDE, inputs=_names(scope, reading))
        except monty.MontyRuntimeError as error:
            raise self._failure(error) from None

    async def _for_item(
        self, session: "monty.AsyncMontySession", scope: Scope, reading: Reading, index: int
    ) -> Any:
        item = scope.items[index]
        places = {name: _place(scope, name, index) for name in _wanted(scope, reading)}
        names = {"_item": item, "_json": item["json"], "_itemIndex": index, "_places": places}
        try:
            await session.feed_run(_NEXT_ITEM, inputs=names)
        except monty.MontyRuntimeError as error:
            raise self._failure(error) from None
        return await self._feed(session)

    async def _feed(self, session: "monty.AsyncMontySession") -> Any:
        try:
            return await session.feed_run(self._code, print_callback=self._printed)
        except (monty.MontyRuntimeError, monty.MontySyntaxError) as error:
            raise self._failure(error) from None

    def _failure(self, error: "monty.MontyRuntimeError | monty.MontySyntaxError") -> CodeError:
        inner, logs = error.exception(), self.logs
        said = error.display("type-msg")
        if isinstance(inner, TimeoutError) and "limit exceeded" in said:
            return _too_slow(self._limits, logs)
        if isinstance(inner, MemoryError):
            return _too_large(said, self._limits, logs)
        frames = [frame for frame in error.traceback() if frame.filename != _PRELUDE_FILE]
        line = frames[-1].line if frames else None
        malformed = isinstance(error, monty.MontySyntaxError) or isinstance(
            inner, NotImplementedError
        )
        text = said if line is None else f"{said} (line {line})"
        return CodeError(text, code=SYNTAX if malformed else "CODE_FAILED", line=line, logs=logs)


def _names(scope: Scope, reading: Reading) -> dict[str, Any]:
    """What the code sees, by name."""
    first = scope.items[0] if scope.items else None
    return {
        "_items": list(scope.items),
        "_item": first,
        "_json": first["json"] if first else None,
        "_itemIndex": 0,
        "_nodes": {name: _node(scope, name) for name in _wanted(scope, reading)},
        "_now": scope.now,
        "_today": scope.now.replace(hour=0, minute=0, second=0, microsecond=0),
        "_vars": dict(scope.variables),
        "_env": dict(scope.env),
        "_execution": dict(scope.run),
        "_workflow": dict(scope.workflow),
    }


def _wanted(scope: Scope, reading: Reading) -> set[str]:
    return set(scope.nodes) if reading.dynamic_nodes else set(reading.nodes & scope.nodes.keys())


def _place(scope: Scope, name: str, index: int) -> int | None:
    """The position of the item of a node from which the item at `index` was made."""
    pairs = scope.pairs.get(name) or ()
    return pairs[index] if index < len(pairs) else None


def _node(scope: Scope, name: str) -> dict[str, Any]:
    items, place = scope.items_of(name), _place(scope, name, 0)
    return {
        "items": list(items),
        "item": items[place] if place is not None and place < len(items) else None,
        "params": dict(scope.parameters.get(name, {})),
    }


# --- what comes out


def _lines(printed: Sequence[tuple[str, str]]) -> list[LogLine]:
    """What was printed, by line; standard error is for warnings."""
    lines: list[LogLine] = []
    letters = 0
    for stream, text in printed:
        level = "info" if stream == "stdout" else "warning"
        for line in text.removesuffix("\n").split("\n"):
            if len(lines) >= _MAX_LINES or letters >= _MAX_LETTERS:
                return [*lines, LogLine("warning", "Further lines are not kept.")]
            lines.append(LogLine(level, line[: _MAX_LETTERS - letters]))
            letters += len(line)
    return lines


def _plain_result(value: Any, logs: list[LogLine]) -> Any:
    try:
        return _plain(value, 0)
    except CodeError as error:
        raise CodeError(error.message, code=error.code, logs=logs) from None


def _plain(value: Any, depth: int) -> Any:
    """A value of Python as JSON has it."""
    if depth > _DEEPEST_RESULT:
        raise CodeError("What the code returned is nested too deeply", code=RESULT_INVALID)
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case list() | tuple() | set() | frozenset():
            elements = cast("Sequence[Any]", value)
            return [_plain(element, depth + 1) for element in elements]
        case dict():
            entries = cast("Mapping[Any, Any]", value).items()
            return {_key(key): _plain(inner, depth + 1) for key, inner in entries}
        case _:
            kind = type(value).__name__
            raise CodeError(f"A value of type {kind} is no JSON", code=RESULT_INVALID)


def _key(key: Any) -> str:
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case None:
            return "null"
        case int() | float():
            return str(key)
        case _:
            kind = type(key).__name__
            raise CodeError(f"A key of type {kind} is no JSON", code=RESULT_INVALID)


def _stopped(error: "monty.MontyCrashedError", limits: Limits, logs: list[LogLine]) -> CodeError:
    if getattr(error, "timed_out", False):
        return _too_slow(limits, logs)
    return _too_large("", limits, logs)


def _too_slow(limits: Limits, logs: list[LogLine]) -> CodeError:
    message = f"The code ran longer than {limits.seconds:g} s"
    return CodeError(message, code="CODE_TIMEOUT", logs=logs)


def _too_large(said: str, limits: Limits, logs: list[LogLine]) -> CodeError:
    if f"> {_LONGEST_LOG} bytes" in said:
        return CodeError(f"The code printed more than {_LONGEST_LOG // 1024} KiB", logs=logs)
    message = f"The code used more than {limits.megabytes} MB"
    return CodeError(message, code="CODE_MEMORY", logs=logs)
