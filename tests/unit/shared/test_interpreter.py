"""What a service imports at its start, and what only when it is used."""

import importlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared import interpreter

_START = """
import sys
from importlib import import_module
from types import ModuleType
from shared import interpreter

imports = import_module(f"{sys.argv[1]}.imports")
interpreter.leave_out(*imports.LEFT_OUT)
interpreter.import_later(*imports.LATER)
import_module(f"{sys.argv[1]}.server")
print(*(name for name in imports.LATER if type(sys.modules[name]) is ModuleType))
traces = ("opentelemetry.sdk", "opentelemetry.exporter", "shared.tracing.exporting")
print(*(name for name, one in sys.modules.items() if name.startswith(traces) and one))
"""


@pytest.mark.parametrize("service", ["agent_service", "engine_service", "gateway"])
def test_a_service_starts_without_what_it_imports_later(service: str) -> None:
    command = [sys.executable, "-c", _START, service]
    started = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert started.stdout.split() == []


def test_many_threads_may_be_the_first_to_use_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    interpreter.import_later("colorsys")
    colorsys = importlib.import_module("colorsys")

    def use(_: int) -> tuple[float, ...]:
        return colorsys.rgb_to_hls(1, 1, 1)

    with ThreadPoolExecutor(8) as threads:
        hues = list(threads.map(use, range(64)))
    assert set(hues) == {(0.0, 1.0, 0.0)}
    assert "hls_to_rgb" in vars(sys.modules["colorsys"])
