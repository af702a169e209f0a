"""How a service sets up its interpreter: before its modules are imported, and once they are.

Nothing that is imported ever becomes garbage, so it is kept out of the collector's sight: looking
through it takes a fifth of the start and, later, a quarter of what a run costs.
"""

import gc
import os
import sys
from importlib import import_module
from threading import RLock
from types import ModuleType
from typing import Any

_importing = RLock()
_YOUNG = 10_000
"""So many more objects made than freed are worth a look for garbage; Python's own 700 are few for a
server in which a single request makes more."""
_OLDER = 20


def before_imports() -> None:
    """Call this before a service imports anything else."""
    gc.disable()
    # Processes are started while gRPC works; its handlers for forks would crash some of them.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


def leave_out(*packages: str) -> None:
    """Let imports of these fail, as where they are not installed.

    Some libraries load whatever would make them prettier; on a machine that has the command line
    as well, that is megabytes and tenths of a second for each service.
    """
    for package in packages:
        sys.modules[package] = None  # pyright: ignore[reportArgumentType] (Python's way to say so)


def let_in(package: str) -> None:
    """Let imports of what was left out find it again."""
    if not sys.modules.get(package):
        sys.modules.pop(package, None)


def import_later(*modules: str) -> None:
    """Let these be imported when something of them is first used, instead of at the start.

    A service knows many formats and protocols, and most machines use few of them. Whoever uses such
    a module imports it whole (`import openpyxl`, not `from openpyxl import …`) and nothing of it
    while he is imported himself. Its first use takes as long as its import: do that in a thread.
    """
    for name in modules:
        sys.modules[name] = _Later(name)


class _Later(ModuleType):
    """Stands for a module until it is used; `importlib.util.LazyLoader`, but safe with threads."""

    def __getattr__(self, name: str) -> Any:
        with _importing:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                import_module(self.__name__)
        return getattr(sys.modules[self.__name__], name)


def after_imports() -> None:
    """Call this when everything is imported and nothing is running yet."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
    gc.enable()
