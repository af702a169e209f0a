"""What services are told by their environment, and what programs they start are not."""

import os
import subprocess
import sys

import pytest

from engine_service.settings import Settings

SECRETS = {
    "DATABASE_URL": "postgresql://me:secret@host/data",
    "MESH_SECRET": "s" * 32,
    "ENGINE_CREDENTIAL_KEYS": "k:secret",
    "OPENAI_API_KEY": "sk-secret",
    "ANTHROPIC_API_KEY": "sk-secret-too",
}
OPEN = {"ENGINE_EXPRESSION_ENV": "REGION", "REGION": "here"}


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
