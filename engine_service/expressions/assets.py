"""The JavaScript of a realm, put together from the files of `js/` and `vendor/`.

A realm is what one V8 isolate is given before any user's text: the helpers, Luxon, JMESPath and
digests. There are two: the one that evaluates expressions is shared and frozen; the one that runs
code is made for one run.
"""

from functools import cache
from pathlib import Path

_ROOM = Path(__file__).parent
_KIT = (
    "kinds",
    "encodings",
    "strings",
    "numbers",
    "collections",
    "dates",
    "methods",
    "functions",
    "scope",
)


@cache
def expression_realm() -> str:
    """The script after which `flowloom(text)` evaluates a batch of expressions."""
    return _realm("lockdown", "evaluate", end="kit.installMethods(); kit.lockDown();")


@cache
def code_realm() -> str:
    """The script after which `flowloom(text)` promises the result of a program."""
    return _realm("buffer", "run_code", end="kit.installMethods();")


def _realm(*doors: str, end: str) -> str:
    luxon, jmespath, hashes = (
        _read("vendor", name) for name in ("luxon.min", "jmespath", "noble-hashes")
    )
    parts = [
        "(function () { const kit = { methods: {} };",
        # Luxon asks Function only for these two, and is loaded again after Function is gone.
        "const tools = { toString: Function.toString, bind: Function.bind };",
        f"kit.loadLuxon = function () {{ const Function = tools; {luxon}\nreturn luxon; }};",
        f"kit.loadDigests = function () {{ {hashes}\nreturn hashes; }};",
        f"kit.jmespath = (function () {{ const exports = {{}}; {jmespath}\nreturn exports; }})();",
        *(f'(function () {{ "use strict"; {_read("js", name)}\n}})();' for name in (*_KIT, *doors)),
        end,
        "})();",
    ]
    return "\n".join(parts)


def _read(folder: str, name: str) -> str:
    return (_ROOM / folder / f"{name}.js").read_text(encoding="utf-8")
