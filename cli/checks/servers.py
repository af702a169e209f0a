"""Do the servers answer that DATABASE_URL and REDIS_URL name?"""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import psycopg
import redis.asyncio as redis
from redis.exceptions import RedisError

from cli.checks.finding import Finding, Patient, fine, note, wrong
from shared.settings import postgresql_url

NO_ADDRESS = "is no address of"
_SECONDS = 5
_OLDEST_POSTGRES = 15
_OLDEST_REDIS = 6
_ASK = """
select current_setting('server_version_num')::int / 10000,
       exists (select from pg_extension where extname = 'vector')
       or exists (select from pg_available_extensions where name = 'vector'),
       has_database_privilege(current_database(), 'CREATE')
"""


async def check_database(patient: Patient) -> Sequence[Finding]:
    subject = "DATABASE_URL"
    url = patient.environment.get(subject, "")
    if not url:
        return [note(subject, "is not set: `flowloom up` runs its own PostgreSQL")]
    try:
        given = postgresql_url(url)
    except ValueError as error:
        return [wrong(subject, f"{NO_ADDRESS} a PostgreSQL: {error}", f"Mend {subject}.")]
    try:
        async with await psycopg.AsyncConnection.connect(
            given, connect_timeout=_SECONDS
        ) as database:
            row = await (await database.execute(_ASK)).fetchone()
    except psycopg.Error as error:
        mend = f"Mend or unset {subject}; is the server up, and are user and password right?"
        return [wrong(subject, f"cannot be used: {' '.join(str(error).split())}", mend)]
    version, has_vector, may_create = row or (0, False, False)
    if version < _OLDEST_POSTGRES:
        mend = f"Use PostgreSQL {_OLDEST_POSTGRES} or newer."
        return [wrong(subject, f"is PostgreSQL {version}", mend)]
    if not has_vector:
        mend = "Install pgvector on that server."
        return [wrong(subject, "has no pgvector", mend)]
    if not may_create:
        mend = "Grant it: GRANT CREATE ON DATABASE … TO …"
        return [wrong(subject, "its user may not create schemas", mend)]
    return [fine(subject, f"answers: PostgreSQL {version} with pgvector")]


async def check_redis(patient: Patient) -> Sequence[Finding]:
    subject = "REDIS_URL"
    url = patient.environment.get(subject, "")
    if not url:
        return [note(subject, "is not set: `flowloom up` runs its own Valkey")]
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        detail = f"{NO_ADDRESS} a Redis: expected redis://:PASSWORD@HOST:PORT/0"
        return [wrong(subject, detail, f"Mend {subject}.")]
    try:
        version = await _redis_version(url)
    except (RedisError, OSError, ValueError) as error:
        mend = f"Mend or unset {subject}; is the server up, and is the password right?"
        return [wrong(subject, f"cannot be used: {error}", mend)]
    if int(version.split(".")[0]) < _OLDEST_REDIS:
        mend = f"Use Redis or Valkey {_OLDEST_REDIS} or newer."
        return [wrong(subject, f"is Redis {version}", mend)]
    return [fine(subject, f"answers: {version}")]


async def _redis_version(url: str) -> str:
    # The package leaves its keyword arguments untyped.
    client = cast("Any", redis.Redis).from_url(url, socket_connect_timeout=_SECONDS)
    try:
        information = await client.info("server")
        return str(information["redis_version"])
    finally:
        await client.aclose()
