"""What the gateway is told by its environment: GATEWAY_*, and what its neighbours are told too."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from gateway.limits import Quota
from shared.settings import CommonSettings

_QUOTA = re.compile(r"(\d+)/(s|min|h|d)")
_WINDOWS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def _parse_quota(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    found = _QUOTA.fullmatch(text.strip())
    if not found or int(found[1]) == 0:
        raise ValueError("expected a positive number per s, min, h or d, such as 100/h")
    return Quota(int(found[1]), _WINDOWS[found[2]])


def _split(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())


QuotaSetting = Annotated[Quota, NoDecode, BeforeValidator(_parse_quota)]
ListSetting = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(CommonSettings):
    """The gateway's settings; a limit is written as `100/h`, `10/min` or `5/s`."""

    redis_url: SecretStr = Field(
        description="redis:// URL of the Redis that counts requests and remembers answers"
    )
    agent_address: str = Field(description="host:port of the agent service")
    engine_address: str = Field(description="host:port of the engine service")
    supabase_url: str = Field(
        default="",
        description="https://PROJECT.supabase.co, whose users may sign in; their tokens are "
        "checked with the project's published keys",
    )
    supabase_jwt_secret: SecretStr | None = Field(
        default=None,
        description="The project's HS256 secret, for projects that sign with one",
    )

    gateway_host: str = Field(default="127.0.0.1", description="Address to listen on")
    gateway_port: int = Field(default=8000, ge=0, le=65_535, description="Port to listen on")
    gateway_public_url: str = Field(
        default="",
        description="Where clients find the gateway; names the built-in issuer in its tokens. "
        "http://HOST:PORT when empty",
    )
    gateway_signup: Literal["open", "closed"] = Field(
        default="open", description="Whether strangers may create an account"
    )
    gateway_signing_key: SecretStr | None = Field(
        default=None,
        description="PEM of the P-256 private key that signs access tokens; made and kept in the "
        "database when absent",
    )
    gateway_access_token_seconds: int = Field(
        default=3600, ge=60, le=86_400, description="Lifetime of an access token"
    )
    gateway_refresh_token_days: int = Field(
        default=30, ge=1, le=365, description="Days of disuse after which a login ends"
    )
    gateway_cors_origins: ListSetting = Field(
        default=(),
        description="Origins whose pages may call, separated by commas; `*` allows every origin",
    )
    gateway_trusted_proxies: ListSetting = Field(
        default=(),
        description="Addresses or networks of the proxies whose X-Forwarded-For is believed, "
        "separated by commas",
    )
    gateway_max_body_bytes: int = Field(
        default=10 * 1024 * 1024, ge=1024, description="Largest request body that is read"
    )
    gateway_request_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Seconds in which the head of a request, and then its body, must have arrived",
    )
    gateway_stream_seconds: float = Field(
        default=600.0, gt=0, description="Longest life of an event stream; clients then resume"
    )
    gateway_heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="Longest silence on an event stream"
    )
    gateway_limit_public: QuotaSetting = Field(
        default=Quota(1_000, 3600), description="Requests without identity, per address"
    )
    gateway_limit_login: QuotaSetting = Field(
        default=Quota(10, 60), description="Sign-ins and sign-ups, per address and per account"
    )
    gateway_limit_api: QuotaSetting = Field(
        default=Quota(10_000, 3600), description="Requests, per user"
    )
    gateway_limit_chat: QuotaSetting = Field(
        default=Quota(100, 3600), description="Messages to the consultant, per user"
    )
    gateway_limit_run: QuotaSetting = Field(
        default=Quota(600, 60), description="Runs started, per user"
    )
    gateway_limit_hook: QuotaSetting = Field(
        default=Quota(60_000, 60), description="Webhook calls, per path"
    )
    gateway_limit_mcp: QuotaSetting = Field(
        default=Quota(50_000, 3600), description="Messages to the MCP server, per user"
    )

    @property
    def public_url(self) -> str:
        """Where clients find the gateway, without a slash at the end."""
        default = f"http://{self.gateway_host}:{self.gateway_port}"
        return (self.gateway_public_url or default).rstrip("/")
