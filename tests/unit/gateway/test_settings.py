"""Settings: read from the environment, refused with a reason, never printed with their secrets."""

import pytest
from pydantic import ValidationError

from gateway.limits import Quota
from gateway.settings import Settings

NEEDED = {
    "DATABASE_URL": "postgresql://ada:opensesame@db/flowloom",
    "MESH_SECRET": "s" * 32,
    "REDIS_URL": "redis://:hushhush@cache",
    "AGENT_ADDRESS": "agent:50051",
    "ENGINE_ADDRESS": "engine:50052",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def read() -> Settings:
    return Settings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)


def test_the_environment_is_enough(environment: pytest.MonkeyPatch) -> None:
    settings = read()
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.gateway_limit_api == Quota(10_000, 3600)
    assert settings.gateway_signup == "open"


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_needed_is_asked_for_by_name(environment: pytest.MonkeyPatch, missing: str) -> None:
    environment.delenv(missing)
    with pytest.raises(ValidationError, match=missing.lower()):
        read()


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("5/s", Quota(5, 1)),
        ("10/min", Quota(10, 60)),
        (" 7/h ", Quota(7, 3600)),
        ("9/d", Quota(9, 86_400)),
    ],
)
def test_a_limit_is_an_amount_per_time(
    environment: pytest.MonkeyPatch, text: str, quota: Quota
) -> None:
    environment.setenv("GATEWAY_LIMIT_RUN", text)
    assert read().gateway_limit_run == quota


@pytest.mark.parametrize("text", ["5", "0/h", "-1/h", "5/fortnight", "1.5/h", "many"])
def test_what_is_no_limit_is_refused(environment: pytest.MonkeyPatch, text: str) -> None:
    environment.setenv("GATEWAY_LIMIT_RUN", text)
    with pytest.raises(ValidationError, match="such as 100/h"):
        read()


def test_lists_are_separated_by_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GATEWAY_CORS_ORIGINS", "https://a.example/, http://b.example:3000 ,")
    assert read().gateway_cors_origins == ("https://a.example", "http://b.example:3000")


def test_secrets_are_not_printed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SUPABASE_JWT_SECRET", "x" * 40)
    told = repr(read())
    assert not any(secret in told for secret in ("opensesame", "hushhush", "s" * 32, "x" * 40))
