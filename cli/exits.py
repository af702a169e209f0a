"""What the command's exit codes mean; the same for every command."""

from enum import IntEnum


class Exit(IntEnum):
    """An exit code of `flowloom`."""

    OK = 0
    FAILED = 1  # it was tried and did not work; the message says why
    USAGE = 2  # the command line makes no sense
    UNREACHABLE = 3  # no mesh answers
