"""PostgreSQL as others run it: a connection to a checked address, and statements on it.

Values never become part of a statement: it is sent with `$1`, `$2` …, they go beside it. What goes
wrong is told as a `NodeError`: address_refused, connect_failed, login_failed, tls_failed,
query_failed (with PostgreSQL's own code), too_many_rows, connection_lost.
"""

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, LiteralString, cast

import orjson
import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from pydantic import Field

from engine_service.protocols.account import AccountFields, Security
from engine_service.sdk.node import Failed, Network, NodeError, Place
from shared.workflow import JsonObject

_CONNECT_SECONDS = 15
_NO_TLS = ("server does not support SSL", "certificate")
_NO_LOGIN = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted")
_GAVE_NOTHING = "didn't produce a result"
"""What psycopg says of a streamed statement that has run and is none that gives rows."""
_PASSING = ("08", "40", "53", "57P")
"""Classes of PostgreSQL's codes: connections, conflicts, resources, shutting down."""
Connection = psycopg.AsyncConnection[DictRow]


class PostgresFields(AccountFields):
    """The database, and who signs in."""

    port: int = Field(default=5432, ge=1, le=65_535, description="The port it listens on")
    database: str = Field(
        min_length=1, max_length=63, pattern=r"^[^\x00]+$", description="The database's name"
    )
    security: Security = Field(
        default="tls", description="`tls`, or `none` for servers without (starttls is tls here)"
    )


@asynccontextmanager
async def connected(network: Network, account: PostgresFields) -> AsyncGenerator[Connection]:
    """A connection, in autocommit; closed when the block ends.

    Raises:
        NodeError: There is none to be had, or a statement in the block failed.
    """
    connection = await connect(network, account)
    try:
        yield connection
    except psycopg.Error as error:
        raise NodeError(failure(error)) from error
    finally:
        await connection.close()


async def connect(network: Network, account: PostgresFields) -> Connection:
    """A connection to a checked address.

    Raises:
        NodeError: There is none to be had.
    """
    place = await network.reach(account.host, account.port)
    try:
        return await psycopg.AsyncConnection[DictRow].connect(
            **_options(account, place),
            row_factory=dict_row,
            cursor_factory=psycopg.AsyncRawCursor[DictRow],
            autocommit=True,
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise NodeError(_no_connection(error, account)) from error


def _options(account: PostgresFields, place: Place) -> dict[str, Any]:
    """What libpq is told; what it would otherwise find in files of this machine is shut out."""
    count = len(place.addresses)
    options: dict[str, Any] = {
        "host": ",".join([place.host] * count),
        "hostaddr": ",".join(place.addresses),
        "port": ",".join([str(place.port)] * count),
        "dbname": account.database,
        "user": account.username,
        "password": account.password,
        "passfile": "/dev/null",
        "sslcertmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "flowloom",
        "client_encoding": "UTF8",
        "options": "",
        "sslmode": "disable",
    }
    if account.security != "none":
        options["sslmode"] = "verify-full" if account.verify_tls else "require"
        options["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
        if not account.verify_tls:
            del options["sslrootcert"]
    return options


async def run(
    connection: Connection, statement: sql.Composed | str, values: Sequence[Any], most: int
) -> list[JsonObject]:
    """The rows of one statement; none when it gives none.

    Raises:
        NodeError: It gives more rows than that; what it changed is not kept.
        psycopg.Error: It failed.
    """
    rows: list[JsonObject] = []
    text = cast("LiteralString", statement) if isinstance(statement, str) else statement
    sent = [_sent(value) for value in values]
    async with connection.cursor() as cursor, aclosing(_stream(cursor, text, sent)) as given:
        try:
            async for row in given:
                rows.append(row)
                if len(rows) > most:
                    message = f"There are more than {most} rows. Ask for fewer, or raise the limit."
                    raise NodeError(Failed("too_many_rows", message))
        except psycopg.ProgrammingError as error:
            if _GAVE_NOTHING not in str(error):
                raise
    return rows


def _stream(cursor: psycopg.AsyncCursor[DictRow], text: Any, sent: Any) -> AsyncGenerator[DictRow]:
    """Rows one by one, so that too many are never all here; closing it ends the statement."""
    return cast("AsyncGenerator[DictRow]", cursor.stream(text, sent))


def _sent(value: Any) -> str | None:
    """A value as text: PostgreSQL then takes it for what its place in the statement asks for."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"{{{','.join(map(_member, cast('list[Any]', value)))}}}"
    return orjson.dumps(value).decode()


def _member(value: Any) -> str:
    """A member of an array, quoted as arrays are."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _sent(cast("list[Any]", value)) or ""
    text = _sent(value) or ""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def failure(error: psycopg.Error) -> Failed:
    """Why a statement failed."""
    code = error.sqlstate
    if code is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        message = f"The connection was lost: {_line(error)}"
        return Failed("connection_lost", message, retryable=True, outcome_known=False)
    if code is None:
        return Failed("query_failed", _line(error))
    passing = code.startswith(_PASSING)
    return Failed("query_failed", f"{_line(error)} ({code})", retryable=passing)


def _no_connection(error: psycopg.Error, account: PostgresFields) -> Failed:
    said = _line(error)
    if any(hint in said for hint in _NO_TLS):
        return Failed("tls_failed", f"No secure connection to {account.place}: {said}")
    if any(hint in said for hint in _NO_LOGIN):
        return Failed("login_failed", f"{account.place} does not take the account: {said}")
    return Failed("connect_failed", f"Could not connect: {said}", retryable=True)


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
