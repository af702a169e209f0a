"""Runs an author's code in a worker process: data in, items and a log out.

The code is the body of a function. JavaScript sees what expressions see ($json, $input, $('Node'),
the helper methods, Luxon) and may `await`; there is no file, network or process to reach. Each run
has a V8 of its own, made ahead while the worker is idle, so no run leaves anything behind for
another. Python runs in processes of another kind (code/python.py).
"""

from collections.abc import Mapping
from typing import Any, cast

from engine_service.code.python import PythonCode
from engine_service.code.results import (
    SYNTAX,
    CodeError,
    LogLine,
    Mode,
    SandboxResult,
    refuse_long,
    result_of,
)
from engine_service.expressions.assets import code_realm
from engine_service.expressions.evaluator import payload
from engine_service.expressions.facts import Facts
from engine_service.expressions.javascript import write_code
from engine_service.expressions.scope import Scope
from engine_service.expressions.syntax import line_of_trouble
from engine_service.expressions.wire import from_json, to_json
from engine_service.v8.pool import EvaluationStopped, Limits, Stop, WorkerPool

DEFAULT_LIMITS = Limits(seconds=10.0, megabytes=128)


class Sandbox:
    """The workers that run code in an engine process. Must be closed."""

    def __init__(self, *, workers: int = 2, idle_seconds: float = 60.0) -> None:
        self._pool = WorkerPool(code_realm, size=workers, fresh=True, idle_seconds=idle_seconds)
        self._python = PythonCode(workers=workers)

    async def run(
        self, code: str, mode: Mode, scope: Scope, limits: Limits = DEFAULT_LIMITS
    ) -> SandboxResult:
        """Run the code once for all items of the scope, or once for each.

        Cancelling kills the run.

        Raises:
            CodeError: The code's fault, its limits included.
            Unavailable: No worker could be started.
        """
        refuse_long(code)
        source, facts = write_code(code)
        script = b"flowloom(" + to_json(_request(source, facts, mode, scope)) + b")"
        try:
            written = await self._pool.evaluate(script, limits)
        except EvaluationStopped as stopped:
            raise _stopped(stopped, limits) from stopped
        try:
            answer = from_json(written)
        except (ValueError, RecursionError) as error:
            message = "What the code returned is nested too deeply"
            raise CodeError(message, code="CODE_RESULT_INVALID") from error
        if isinstance(answer, dict) and "error" in answer:
            raise _failure(cast("dict[str, Any]", answer), code)
        return _result(answer, mode)

    async def run_python(
        self, code: str, mode: Mode, scope: Scope, limits: Limits = DEFAULT_LIMITS
    ) -> SandboxResult:
        """Likewise, Python.

        Raises:
            CodeError: The code's fault, its limits included.
            Unavailable: No worker could be started.
        """
        return await self._python.run(code, mode, scope, limits)

    async def close(self) -> None:
        """End the workers, also those at work."""
        await self._pool.close()
        await self._python.close()


def _request(source: str, facts: Facts, mode: Mode, scope: Scope) -> str:
    each = mode is Mode.EACH_ITEM
    data = payload([facts], scope)
    if each:
        data["items"] = scope.items
    return to_json({"source": source, "each": each, "scope": data}).decode()


def _result(answer: Any, mode: Mode) -> SandboxResult:
    if not isinstance(answer, dict):
        raise CodeError("The code tampered with its own result", code="CODE_RESULT_INVALID")
    found = cast("dict[str, Any]", answer)
    return result_of(found["result"], mode, _logs(found))


def _logs(answer: Mapping[str, Any]) -> list[LogLine]:
    return [LogLine(line["level"], line["text"]) for line in answer["logs"]]


def _failure(answer: Mapping[str, Any], source: str) -> CodeError:
    error = cast("Mapping[str, Any]", answer["error"])
    code, name, message = str(error["code"]), str(error["name"]), str(error["message"])
    line = line_of_trouble(source) if code == SYNTAX else error.get("line")
    text = message if name == "Error" else f"{name}: {message}"
    text = text if line is None else f"{text} (line {line})"
    return CodeError(text, code=code, line=line, logs=_logs(answer))


def _stopped(stopped: EvaluationStopped, limits: Limits) -> CodeError:
    match stopped.why:
        case Stop.TIMEOUT:
            return CodeError(f"The code ran longer than {limits.seconds:g} s", code="CODE_TIMEOUT")
        case Stop.MEMORY | Stop.DEATH:
            return CodeError(f"The code used more than {limits.megabytes} MB", code="CODE_MEMORY")
        case Stop.SCRIPT:
            return CodeError(stopped.message.splitlines()[0], code="CODE_FAILED")
