"""What the exit codes of `flowloom` mean, the same for every command, and how a command fails."""

from enum import IntEnum


class Exit(IntEnum):
    """An exit code and, in `meaning`, what it tells a script."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "Exit":
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "it worked"
    FAILED = 1, "it was tried and failed, and the message says why"
    USAGE = 2, "the command line makes no sense"
    UNREACHABLE = 3, "no mesh answers"
    INTERRUPTED = 130, "Ctrl-C"


class Failure(Exception):
    """Ends a command with a sentence on standard error and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.exit = code
        self.message = message


def describe() -> str:
    """All exit codes in one line for `--help`."""
    return "Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in Exit) + "."
