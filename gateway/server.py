"""Where the gateway starts: everything is built here, by hand, in order; then it serves and drains.

settings → schema → issuer and keys → Redis → channels → application → uvicorn. On SIGTERM readiness
goes first, then the event streams are sent away with a hint to come back, then what has begun is
finished.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
import uvicorn
import uvloop
from pydantic import ValidationError
from sqlalchemy import text
from starlette.types import ASGIApp

from gateway.app import Parts, build_app
from gateway.auth import Authenticator, Authority
from gateway.clients import Clients, check_health
from gateway.gate import Gate
from gateway.idempotency import Answers
from gateway.issuer.issuer import Issuer, Terms
from gateway.issuer.signing_keys import SigningKeys
from gateway.jws import UnfitKey, fit_key
from gateway.key_sources import PublishedKeys, SharedSecret
from gateway.limits import LimitName, Limits, Quota
from gateway.protocol import patient_for
from gateway.routes.health import ReadinessChecks
from gateway.scripts import Scripts
from gateway.settings import Settings
from gateway.sse import EventStreams
from shared import telemetry
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole, ensure_schema
from shared.errors import AppError
from shared.tracing import spans

log = structlog.get_logger()

_MIGRATIONS = Path(__file__).parent / "migrations"
_CONNECTIONS = 4


@asynccontextmanager
async def build(settings: Settings) -> AsyncGenerator[Parts]:
    """Everything the application is made of; closed when the block ends.

    Raises:
        Unavailable: PostgreSQL is away.
        ValueError: A key that is given as a setting cannot be used.
    """
    url, mesh_secret = (
        settings.database_url.get_secret_value(),
        settings.mesh_secret.get_secret_value(),
    )
    await ensure_schema(url, _MIGRATIONS, "gateway")
    clock = SystemClock()
    database = Database(url, DatabaseRole.ISSUER, _CONNECTIONS)
    given = settings.gateway_signing_key
    keys = await SigningKeys.open(
        database, mesh_secret, given.get_secret_value() if given else None
    )
    terms = Terms(
        issuer=f"{settings.public_url}/auth/v1",
        access_lifetime=timedelta(seconds=settings.gateway_access_token_seconds),
        login_lifetime=timedelta(days=settings.gateway_refresh_token_days),
        signup_open=settings.gateway_signup == "open",
    )
    authorities = [Authority(terms.issuer, keys), *_supabase(settings)]
    scripts = Scripts(settings.redis_url.get_secret_value())
    limits = Limits(scripts, _quotas(settings))
    clients = Clients.open(settings.agent_address, settings.engine_address, mesh_secret)

    async def check_database() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    try:
        yield Parts(
            clients=clients,
            gate=Gate(Authenticator(authorities, clock), limits, Answers(scripts)),
            issuer=Issuer(database, keys, terms, clock),
            streams=EventStreams(
                settings.gateway_heartbeat_seconds, settings.gateway_stream_seconds
            ),
            readiness=ReadinessChecks(
                {
                    "database": check_database,
                    "redis": scripts.ping,
                    "agent": partial(check_health, clients.agent),
                    "engine": partial(check_health, clients.engine),
                }
            ),
            public_url=settings.public_url,
            cors_origins=settings.gateway_cors_origins,
            max_body_bytes=settings.gateway_max_body_bytes,
            request_seconds=settings.gateway_request_seconds,
        )
    finally:
        await clients.close()
        await scripts.close()
        await database.close()


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    async with build(settings) as parts:
        server = Server(uvicorn_config(build_app(parts), settings))

        def drain() -> None:
            log.info("draining")
            parts.readiness.drain()
            parts.streams.drain()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, drain)
        log.info("serving", host=settings.gateway_host, port=settings.gateway_port)
        await server.serve()


def uvicorn_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application; it logs nothing itself, and adds nothing of its own."""
    return uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="none",
        http=patient_for(settings.gateway_request_seconds),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.gateway_trusted_proxies),
        forwarded_allow_ips=list(settings.gateway_trusted_proxies),
        timeout_keep_alive=75,  # longer than a load balancer keeps an idle connection
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: draining is more than closing sockets."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _supabase(settings: Settings) -> list[Authority]:
    """The Supabase project whose users are accepted, if any."""
    secret = settings.supabase_jwt_secret
    shared = [fit_key("HS256", "", secret.get_secret_value().encode())] if secret else []
    if settings.supabase_url:
        base = f"{settings.supabase_url.rstrip('/')}/auth/v1"
        return [Authority(base, PublishedKeys(f"{base}/.well-known/jwks.json", shared))]
    return [Authority("", SharedSecret(key)) for key in shared]


def _quotas(settings: Settings) -> dict[LimitName, Quota]:
    return {
        "public": settings.gateway_limit_public,
        "login": settings.gateway_limit_login,
        "api": settings.gateway_limit_api,
        "chat": settings.gateway_limit_chat,
        "run": settings.gateway_limit_run,
        "hook": settings.gateway_limit_hook,
        "mcp": settings.gateway_limit_mcp,
    }


def main() -> int:
    """Run the gateway; how it ended, as an exit code."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] (the environment gives the rest)
    except ValidationError as error:
        sys.stderr.write(f"The gateway's settings are not right.\n{error}\n")
        return 2
    telemetry.configure("gateway", settings.log_level, settings.log_format)
    spans.switch_on("gateway", settings)
    try:
        uvloop.run(serve(settings))
    except (AppError, ValueError, UnfitKey) as error:
        log.error("not_started", error=str(error))
        return 1
    finally:
        spans.switch_off()
    return 0
