"""An engine that writes down whenever its event loop was held up.

`BENCH_BLOCKS` names the file; each line is a moment, for how many seconds the loop was late, and
for how many the process has computed meanwhile: when other processes have the machine, the loop is
late without anybody's holding it up.
"""

import asyncio
import os
import time

from engine_service import imports
from shared import interpreter

interpreter.before_imports()
interpreter.leave_out(*imports.LEFT_OUT)
interpreter.import_later(*imports.LATER)

import uvloop  # noqa: E402 (after the line above)

from engine_service.server import serve  # noqa: E402
from engine_service.settings import Settings  # noqa: E402

interpreter.after_imports()

_EVERY_SECONDS = 0.002
_WORTH_TELLING = 0.01


async def watch(path: str) -> None:
    """Look all the time how late the loop is, until cancelled."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        begun_at, computed = time.perf_counter(), time.process_time()
        await asyncio.sleep(_EVERY_SECONDS)
        late = time.perf_counter() - begun_at - _EVERY_SECONDS
        if late > _WORTH_TELLING:
            own = min(late, time.process_time() - computed)
            os.write(file, f"{time.time()} {late} {own}\n".encode())


async def _main() -> None:
    watching = asyncio.create_task(watch(os.environ["BENCH_BLOCKS"]))
    settings = Settings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)
    await serve(settings)
    watching.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
