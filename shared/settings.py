"""The settings that several services share. Each service's settings.py subclasses CommonSettings.

Values come from the environment only, are read once in `main()`, and are frozen from then on.
"""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommonSettings(BaseSettings):
    """What every service is told by its environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(
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
