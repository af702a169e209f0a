"""The settings that every service has."""

import pytest
from pydantic import SecretStr, ValidationError

from shared.settings import CommonSettings

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
