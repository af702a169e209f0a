"""Redis and what speaks like it: one connection to a checked address, one command after another.

What goes wrong is told as a `NodeError`: address_refused, connect_failed, login_failed, tls_failed,
command_failed, connection_lost.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import redis
from pydantic import Field

from engine_service.protocols import redis_connection
from engine_service.protocols.account import AccountFields, Security
from engine_service.sdk.node import Failed, Network, NodeError

SECONDS = 30.0
Argument = str | int | float | bytes


class RedisFields(AccountFields):
    """The server, the database in it, and who signs in."""

    port: int = Field(default=6379, ge=1, le=65_535, description="The port it listens on")
    database: int = Field(default=0, ge=0, le=65_535, description="The number of the database")
    security: Security = Field(
        default="none", description="`tls`, or `none` inside a network that can be trusted"
    )


class Client:
    """Sends commands."""

    def __init__(self, connection: "redis_connection.Pinned") -> None:
        self._connection = connection

    async def ask(self, *command: Argument) -> Any:
        """What the server answers to a command.

        Raises:
            NodeError: It refuses the command, or is gone.
        """
        try:
            await self._connection.send_command(*command)
            return _readable(await self._connection.read_response())
        except redis.ResponseError as error:
            raise NodeError(Failed("command_failed", str(error))) from error
        except (redis.RedisError, OSError) as error:
            message = f"The connection was lost: {error}"
            raise NodeError(
                Failed("connection_lost", message, retryable=True, outcome_known=False)
            ) from error


@asynccontextmanager
async def connected(network: Network, account: RedisFields) -> AsyncGenerator[Client]:
    """A connection on which somebody has signed in; closed when the block ends.

    Raises:
        NodeError: There is none to be had.
    """
    await asyncio.to_thread(redis_connection.ready)
    over: dict[str, Any] = {"sock": await network.connect(account.host, account.port)}
    if account.security != "none":
        over |= {
            "ssl": network.tls(verify=account.verify_tls),
            "server_hostname": account.host,
        }
    connection = redis_connection.Pinned(
        over=over,
        host=account.host,
        port=account.port,
        db=account.database,
        username=account.username or None,
        password=account.password or None,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        protocol=2,
    )
    try:
        try:
            await connection.connect()
        except (redis.RedisError, OSError) as error:
            raise NodeError(_no_connection(error, account)) from error
        yield Client(connection)
    finally:
        await connection.disconnect(nowait=True)


def _no_connection(error: Exception, account: RedisFields) -> Failed:
    if isinstance(error, redis.AuthenticationError | redis.ResponseError):
        return Failed("login_failed", f"{account.place} does not take the account: {error}")
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return Failed("tls_failed", f"No secure connection to {account.place}: {error}")
    return Failed("connect_failed", f"Could not connect to {account.place}: {error}", True)


def _readable(answer: Any) -> Any:
    """An answer as JSON: texts are read as UTF-8, what is none keeps its shape."""
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    if isinstance(answer, list | tuple):
        return [_readable(member) for member in cast("Sequence[Any]", answer)]
    return answer
