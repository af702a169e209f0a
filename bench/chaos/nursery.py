"""A process that has everything an engine needs in memory, and forks engines from it.

An engine that starts from nothing takes seconds of computing; this way it takes a tenth of one, so
that a thousand can be killed in minutes. Each line on standard input is a file to log to; the new
engine's process id is the answer.
"""

import gc
import os
import signal
import sys

from engine_service import server


def main() -> None:
    """Fork an engine for each line, until there are no more lines."""
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become_engine(line.strip())
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _become_engine(log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    code = 1
    try:
        code = server.main()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
