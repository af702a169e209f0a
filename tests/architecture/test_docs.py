"""The reference pages say what the code says."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_service.settings import Settings as AgentSettings
from engine_service.settings import Settings as EngineSettings
from gateway.settings import Settings as GatewaySettings

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES: dict[str, Callable[[], str]] = runpy.run_path(str(DOCS / "generate.py"))["PAGES"]


@pytest.mark.parametrize("page", PAGES)
def test_a_reference_page_is_what_make_docs_would_write(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "run `make docs`"


@pytest.mark.parametrize("settings", [GatewaySettings, AgentSettings, EngineSettings])
def test_every_setting_is_described(
    settings: type[GatewaySettings | AgentSettings | EngineSettings],
) -> None:
    assert [name for name, info in settings.model_fields.items() if not info.description] == []


def test_decisions_are_numbered_one_by_one() -> None:
    pages = sorted((DOCS / "adr").glob("*.md"))
    titles = [page.read_text().partition("\n")[0] for page in pages]
    assert [page.name[:4] for page in pages] == [f"{n + 1:04}" for n in range(len(pages))]
    assert all(title.startswith(f"# {n + 1}. ") for n, title in enumerate(titles)), titles
