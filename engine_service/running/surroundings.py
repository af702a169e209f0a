"""What expressions see besides a run's data: the tenant's `$vars`, and the operator's `$env`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from engine_service.store.variables import read_variables
from shared.database import Database

_SECRET_SETTINGS = frozenset(
    {
        "ANTHROPIC_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "DATABASE_URL",
        "ENGINE_CREDENTIAL_KEYS",
        "MESH_SECRET",
        "OPENAI_API_KEY",
        "REDIS_URL",
    }
)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Surroundings:
    """The surroundings of every tenant's runs.

    Args:
        database: Acts as flowloom_worker.
        allowed: Names of environment variables, separated by commas: `NAME` for every tenant,
            `tenant/NAME` for one.
        environment: Where they are read.

    Raises:
        ValueError: A variable is allowed that holds a secret of the mesh.
    """

    def __init__(self, database: Database, allowed: str, environment: Mapping[str, str]) -> None:
        self._database = database
        self._env: dict[str, dict[str, str]] = {}
        for entry in filter(None, (part.strip() for part in allowed.split(","))):
            tenant_id, _, name = entry.rpartition("/")
            if name in _SECRET_SETTINGS:
                raise ValueError(f"{name} is a secret of the mesh: expressions cannot see it")
            if name in environment:
                self._env.setdefault(tenant_id, {})[name] = environment[name]

    async def of(
        self, tenant_id: str, uses_variables: bool
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """A tenant's variables as they are now, if they are used at all, and its environment.

        Raises:
            Unavailable: The database is away.
        """
        env = {**self._env.get("", {}), **self._env.get(tenant_id, {})} if self._env else _NOTHING
        if not uses_variables:
            return _NOTHING, env
        async with self._database.transaction() as connection:
            return await read_variables(connection, tenant_id), env
