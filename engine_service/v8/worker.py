"""A process that evaluates JavaScript and nothing else.

It stands alone: started by path, it imports no other room of the house, and it has no environment
and no secrets worth stealing.

In by standard input: frames of a header (length, seconds, megabytes) and a script. The first frame
is the realm, which is evaluated before any other script. Out by standard output: frames of a header
(length, status) and a text; an empty one when ready for a script, then its answer. With `--fresh`,
each script has a realm of its own.

A script that goes over a limit ends the process after its answer: whatever it left behind, a
spinning thread or a swollen heap, is gone with it. Some loops inside V8 cannot be interrupted.
"""

import asyncio
import ctypes
import os
import resource
import signal
import struct
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from py_mini_racer import (
    JSEvalException,
    JSOOMException,
    JSPromise,
    JSPromiseError,
    MiniRacer,
    mini_racer,
)

REQUEST = struct.Struct(">IdI")
REPLY = struct.Struct(">IB")
DONE, FAILED, TIMEOUT, MEMORY = range(4)

_PR_SET_PDEATHSIG = 1
_MEGABYTE = 1 << 20
_BESIDE_THE_HEAP = 96 * _MEGABYTE
_Realm = tuple[AbstractContextManager[MiniRacer], MiniRacer]


class Worker:
    """The realm at hand, and how to evaluate in it."""

    def __init__(self, boot: str, *, fresh: bool) -> None:
        self._boot = boot
        self._fresh = fresh
        self._realm: _Realm | None = None
        self._megabytes = 0

    async def prepare(self) -> None:
        """Make a realm ready for the next script."""
        if self._realm is None:
            manager = mini_racer(asyncio.get_running_loop())
            racer = manager.__enter__()
            await racer.eval_cancelable(self._boot)
            self._realm = (manager, racer)

    async def evaluate(self, script: str, seconds: float, megabytes: int) -> tuple[int, str]:
        """The status and the text that a script comes to."""
        assert self._realm is not None
        _, racer = self._realm
        if megabytes != self._megabytes:
            racer.set_hard_memory_limit(megabytes * _MEGABYTE)
            _limit_process(megabytes)
            self._megabytes = megabytes
        try:
            async with asyncio.timeout(seconds):
                return DONE, await _text(racer, script)
        except TimeoutError:
            return TIMEOUT, ""
        except JSOOMException:
            return MEMORY, ""
        except (JSEvalException, JSPromiseError) as error:
            return FAILED, str(error)

    async def tidy(self) -> None:
        """Where each script has its own realm, throw the used one away and make the next."""
        if self._fresh and self._realm is not None:
            manager, _ = self._realm
            self._realm, self._megabytes = None, 0
            manager.__exit__(None, None, None)
            await self.prepare()


async def _text(racer: MiniRacer, script: str) -> str:
    value = await racer.eval_cancelable(script)
    if isinstance(value, JSPromise):
        value = await value
    return value if isinstance(value, str) else "null"


def _limit_process(megabytes: int) -> None:
    """Bound all memory, also what V8 keeps outside its heap; beyond it the process dies."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_size() + megabytes * _MEGABYTE + _BESIDE_THE_HEAP
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _data_size() -> int:
    """Bytes of data this process has mapped."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _next_script(stream: BinaryIO) -> tuple[str, float, int]:
    length, seconds, megabytes = REQUEST.unpack(_read(stream, REQUEST.size))
    return _read(stream, length).decode("utf-8", "replace"), seconds, megabytes


def _answer(stream: BinaryIO, status: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    stream.write(REPLY.pack(len(data), status) + data)
    stream.flush()


async def serve(given: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends, nobody listens or a limit is reached; then end the process.

    Nothing is left in good order: leaving a realm may wait for ever.
    """
    try:
        await _answer_all(given, answers)
    finally:
        os._exit(0)


async def _answer_all(given: BinaryIO, answers: BinaryIO) -> None:
    """Answer one script after the other; waiting for input may block the loop."""
    boot, _, _ = _next_script(given)
    worker = Worker(boot, fresh="--fresh" in sys.argv)
    await worker.prepare()
    while True:
        _answer(answers, DONE, "")
        status, text = await worker.evaluate(*_next_script(given))
        _answer(answers, status, text)
        if status in (TIMEOUT, MEMORY):
            return
        await worker.tidy()


def main() -> None:
    """Be the worker that the pool started."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a busy one sees no end of input
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    asyncio.run(serve(sys.stdin.buffer, sys.stdout.buffer))


if __name__ == "__main__":
    main()
