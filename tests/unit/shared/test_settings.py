"""The settings that every service has."""

import os
import subprocess
import sys

import pytest
from pydantic import SecretStr, ValidationError

from engine_service.settings import Settings
from shared.settings import CommonSettings

SECRETS = {
    "DATABASE_URL": "postgresql://me:secret@host/data",
    "MESH_SECRET": "s" * 32,
    "ENGINE_CREDENTIAL_KEYS": "k:secret",
    "OPENAI_API_KEY": "sk-secret",
    "ANTHROPIC_API_KEY": "sk-secret-too",
}
OPEN = {"ENGINE_EXPRESSION_ENV": "REGION", "REGION": "here"}


SECRET = "s" * 32


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://me:pass@host/data?host=/run",
        "postgres://me:pass@host/data?host=/run",
        "postgresql+psycopg://me:pass@host/data?host=/run",
        " postgres://me:pass@host/data?host=/run\n",
    ],
)
def test_database_urls_have_one_scheme(given: str) -> None:
    settings = CommonSettings(database_url=SecretStr(given), mesh_secret=SecretStr(SECRET))
    assert settings.database_url.get_secret_value() == "postgresql://me:pass@host/data?host=/run"


@pytest.mark.parametrize("given", ["mysql://me:hush@host/data", "host=hush", "hush"])
def test_another_database_is_refused_without_telling_its_url(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    monkeypatch.setenv("MESH_SECRET", "too short")
    with pytest.raises(ValidationError) as refused:
        CommonSettings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)
    assert "postgresql://USER:PASSWORD@HOST:PORT/DATABASE" in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "too short" not in str(refused.value)


def test_programs_that_a_service_starts_inherit_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, **OPEN}.items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)
    settings.forget_secrets()
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    child = subprocess.run(
        [sys.executable, "-c", code], env=None, capture_output=True, text=True, check=True
    )
    assert not [value for value in SECRETS.values() if value in child.stdout]
    assert '"REGION": "here"' in child.stdout
    assert not SECRETS.keys() & os.environ.keys()
    assert settings.mesh_secret.get_secret_value() == SECRETS["MESH_SECRET"]
