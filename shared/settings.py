"""The settings that several services share. Each service's settings.py subclasses CommonSettings.

Values come from the environment only, are read once in `main()`, and are frozen from then on.
"""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def postgresql_url(url: str) -> str:
    """The same URL under the one scheme that everything here understands.

    Raises:
        ValueError: It is not PostgreSQL's; the message does not tell it, for it holds a password.
    """
    scheme, sign, rest = url.strip().partition("://")
    # Some providers write postgres://, and some programs name a driver.
    if not sign or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return f"postgresql://{rest}"


def _secret_postgresql_url(url: SecretStr) -> SecretStr:
    return SecretStr(postgresql_url(url.get_secret_value()))


DatabaseUrl = Annotated[SecretStr, AfterValidator(_secret_postgresql_url)]


class CommonSettings(BaseSettings):
    """What every service is told by its environment."""

    # What a person gave stays out of error messages: it may be a secret.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: DatabaseUrl = Field(
        description="postgresql:// URL of a login that may run migrations and become flowloom_app "
        "and flowloom_worker",
    )
    mesh_secret: SecretStr = Field(
        min_length=32,
        description="Key (at least 32 characters) that signs the caller's identity between "
        "services; the same in all of them",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console for people"
    )
    drain_seconds: float = Field(
        default=20.0,
        ge=0,
        le=25,
        description="Seconds a stopping service has to finish what it began",
    )

    otel_exporter_otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="Collector that traces are sent to by OTLP over HTTP, such as "
        "http://localhost:4318; without one, nothing is traced",
    )
    otel_exporter_otlp_headers: SecretStr = Field(
        default=SecretStr(""),
        description="Headers that the collector wants, name=value, separated by commas",
    )
    trace_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces that begin here and are recorded; of those that came from "
        "a caller, the caller has decided",
    )

    def forget_secrets(self) -> None:
        """Take what is secret out of the environment, so that no program we start inherits it."""
        for name, field in type(self).model_fields.items():
            if "Secret" in str(field.annotation):
                os.environ.pop(name.upper(), None)
