"""What the doctor thinks of keys."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.checks.finding import Patient, Severity
from cli.checks.providers import check_providers
from cli.embedded.state import StateDirectory

OPENAI = "sk-proj-" + "a1B2" * 10
ANTHROPIC = "sk-ant-api03-" + "a1B2" * 10


async def severities(environment: Mapping[str, str]) -> Mapping[str, Severity]:
    patient = Patient(StateDirectory(Path("unused")), environment, {})
    return {finding.subject: finding.severity for finding in await check_providers(patient)}


async def test_no_key_is_no_fault() -> None:
    assert await severities({}) == {"model provider": Severity.NOTE}


@pytest.mark.parametrize(
    ("name", "key"), [("OPENAI_API_KEY", OPENAI), ("ANTHROPIC_API_KEY", ANTHROPIC)]
)
async def test_key_of_the_right_shape_is_fine(name: str, key: str) -> None:
    assert await severities({name: key}) == {name: Severity.FINE}


@pytest.mark.parametrize("key", [f"'{OPENAI}'", f"{OPENAI}\n", "your-key-here", OPENAI[:12]])
async def test_mangled_key_is_wrong(key: str) -> None:
    assert await severities({"OPENAI_API_KEY": key}) == {"OPENAI_API_KEY": Severity.WRONG}


async def test_another_server_s_key_may_look_as_it_likes() -> None:
    environment = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://localhost:8080/v1"}
    assert await severities(environment) == {"OPENAI_API_KEY": Severity.FINE}


async def test_address_without_a_scheme_is_wrong() -> None:
    environment = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "localhost:8080"}
    assert (await severities(environment))["OPENAI_BASE_URL"] is Severity.WRONG


async def test_keys_are_never_repeated() -> None:
    patient = Patient(StateDirectory(Path("unused")), {"OPENAI_API_KEY": "top secret "}, {})
    for finding in await check_providers(patient):
        assert "top secret" not in f"{finding.detail} {finding.mend}"
