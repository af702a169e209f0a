"""The mesh on one machine: which parts it has, what each is told, and when it is ready.

PostgreSQL and Valkey start together; as soon as both answer, engine, agent and gateway start all at
once and find each other (each migrates its own schema under a lock). Ready is what their health
says. `mesh.json` in the state directory always tells what runs.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from cli.embedded.addresses import AGENT_PORT, ENGINE_PORT, GATEWAY_PORT, Addresses, choose
from cli.embedded.awaiting import Awaited, wait_for_given, wait_until_ready
from cli.embedded.parts import Daemon, Part, Program
from cli.embedded.ports import LOOPBACK, describe_listener
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.processes import ProcessRecord, end, find, record
from cli.embedded.state import MeshRecord, StateDirectory
from cli.embedded.supervisor import StopRequest, Supervisor
from cli.embedded.valkey import EmbeddedValkey

# What a program is given to finish, and when it is killed. Three in a row fit into 30 seconds.
_DRAIN_SECONDS = 6
_KILL_SECONDS = 8
_LEFTOVER_SECONDS = 5
_CONNECTIONS = 60
_CONNECTIONS_PER_ENGINE = 30


@dataclass(frozen=True, slots=True)
class Modules:
    """The programs of the mesh, each run as `python -m`."""

    gateway: str = "gateway"
    agent: str = "agent_service"
    engine: str = "engine_service"


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """What the person who starts a mesh may choose.

    Attributes:
        port: The gateway's; 0 takes any free one.
        engines: How many engines share the work.
        environment: Told to every program besides what the mesh itself tells it.
    """

    host: str = LOOPBACK
    port: int = GATEWAY_PORT
    engines: int = 1
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    modules: Modules = field(default_factory=Modules)


class Mesh:
    """One mesh in one state directory.

    Args:
        say: Told, in sentences for people, what happens on the way.
    """

    def __init__(
        self, state: StateDirectory, options: MeshOptions, say: Callable[[str], None]
    ) -> None:
        self._state = state
        self._options = options
        self._say = say
        self._started = time.monotonic()
        self._record: MeshRecord | None = None

    async def run(self, stop: StopRequest, on_ready: Callable[[MeshRecord], None]) -> None:
        """Run until asked to stop.

        Raises:
            EmbeddedError: the mesh could not start, did not become ready, or lost a part.
        """
        with self._state.claim():
            await self._end_leftovers()
            if not await self._given_answer(stop):
                return
            gateway, agent = self._gateway(), self._agent()
            engines = [self._engine(number) for number in range(self._options.engines)]
            programs: list[Part] = [*engines, agent, gateway]
            supervisor = Supervisor(
                stages=[self._servers, programs],
                drain_order=[[gateway], [agent], engines, *([each] for each in self._servers)],
                stop=stop,
            )

            async def become_ready() -> None:
                self._link_logs()
                starting = self._publish(self._describe(programs))
                awaited = self._awaited(gateway, agent, engines)
                await wait_until_ready(awaited, self._report, self._report_late)
                on_ready(self._publish(replace(starting, state="ready")))

            try:
                await supervisor.run(become_ready, on_draining=self._announce_draining)
            finally:
                self._state.forget_mesh()

    async def _end_leftovers(self) -> None:
        """End what a mesh left that was killed here, but for the servers we use again."""
        before = self._state.find_mesh()
        used = {server.name for server in self._servers}
        for known in reversed(before.processes if before else ()):
            process = find(known)
            if process is not None and known.name not in used:
                self._say(f"Ending {known.name} (process {known.pid}), left by a killed mesh.")
                await end(process, _LEFTOVER_SECONDS)
        self._state.forget_mesh()

    async def _given_answer(self, stop: StopRequest) -> bool:
        """Wait for the servers of the person's own; False when a stop is asked for meanwhile."""
        given = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
        return not given or await stop.allows(wait_for_given(given, self._say))

    @cached_property
    def _addresses(self) -> Addresses:
        addresses = choose(self._options.host, self._options.port, self._options.engines)
        if self._options.port:
            for name, usual, port in (
                ("agent", AGENT_PORT, addresses.agent_port),
                ("engine", ENGINE_PORT, addresses.engine_ports[0]),
            ):
                if port != usual:
                    holder = describe_listener(usual)
                    self._say(f"Port {usual} is taken by {holder}: the {name} takes {port}.")
        return addresses

    @cached_property
    def _postgres(self) -> EmbeddedPostgres | None:
        """None when DATABASE_URL names a database of the person's own."""
        if os.environ.get("DATABASE_URL"):
            return None
        connections = _CONNECTIONS + _CONNECTIONS_PER_ENGINE * (self._options.engines - 1)
        return EmbeddedPostgres(
            self._state.postgres,
            self._secrets["postgres_password"],
            settings={"max_connections": str(connections)},
        )

    @cached_property
    def _valkey(self) -> EmbeddedValkey | None:
        """None when REDIS_URL names a server of the person's own."""
        if os.environ.get("REDIS_URL"):
            return None
        return EmbeddedValkey(self._state.valkey, self._secrets["valkey_password"])

    @cached_property
    def _servers(self) -> list[Part]:
        """The embedded servers in the order they are stopped."""
        servers: list[Part] = []
        if self._valkey:
            servers.append(Daemon("valkey", self._valkey))
        if self._postgres:
            servers.append(Daemon("postgres", self._postgres))
        return servers

    @cached_property
    def _secrets(self) -> Mapping[str, str]:
        return self._state.secrets()

    def _gateway(self) -> Program:
        url = self._addresses.gateway_url
        own = {
            "GATEWAY_HOST": self._options.host,
            "GATEWAY_PORT": str(self._addresses.gateway_port),
            "GATEWAY_PUBLIC_URL": os.environ.get("GATEWAY_PUBLIC_URL", url),
        }
        return self._program("gateway", self._options.modules.gateway, own)

    def _agent(self) -> Program:
        own = {"AGENT_PORT": str(self._addresses.agent_port)}
        return self._program("agent", self._options.modules.agent, own)

    def _engine(self, number: int) -> Program:
        name = "engine" if self._options.engines == 1 else f"engine-{number + 1}"
        own = {
            "ENGINE_PORT": str(self._addresses.engine_ports[number]),
            "ENGINE_PUBLIC_URL": os.environ.get(
                "ENGINE_PUBLIC_URL",
                os.environ.get("GATEWAY_PUBLIC_URL", self._addresses.gateway_url),
            ),
            "ENGINE_CREDENTIAL_KEYS": os.environ.get(
                "ENGINE_CREDENTIAL_KEYS", self._secrets["credential_keys"]
            ),
            "ENGINE_BLOB_URL": os.environ.get("ENGINE_BLOB_URL", self._state.blobs.as_uri()),
        }
        return self._program(name, self._options.modules.engine, own)

    def _program(self, name: str, module: str, own: Mapping[str, str]) -> Program:
        return Program(
            name,
            ["-m", module],
            lambda: {**self._environment(), **own},
            self._state.logs / f"{name}.log",
            _KILL_SECONDS,
        )

    def _environment(self) -> Mapping[str, str]:
        """What every program is told; asked for once the servers run."""
        servers: dict[str, str] = {}
        if self._postgres:
            servers["DATABASE_URL"] = self._postgres.socket_url()
        if self._valkey:
            servers["REDIS_URL"] = self._valkey.url()
        return {
            **self._options.environment,
            **servers,
            "MESH_SECRET": self._secrets["mesh_secret"],
            "AGENT_ADDRESS": self._addresses.agent,
            "ENGINE_ADDRESS": self._addresses.engine_target,
            "DRAIN_SECONDS": str(_DRAIN_SECONDS),
        }

    def _awaited(self, gateway: Part, agent: Part, engines: Sequence[Part]) -> list[Awaited]:
        return [
            Awaited(gateway, f"{self._addresses.gateway_url}/ready"),
            Awaited(agent, f"grpc:{self._addresses.agent}"),
            *(
                Awaited(engine, f"grpc:{address}")
                for engine, address in zip(engines, self._addresses.engines, strict=True)
            ),
        ]

    def _report(self, part: Part) -> None:
        self._say(f"{part.name} is ready after {time.monotonic() - self._started:.1f} s")

    def _report_late(self, part: Part) -> None:
        self._say(f"{part.name} is not ready yet; what it says: {part.log}")

    def _describe(self, programs: Sequence[Part]) -> MeshRecord:
        return MeshRecord(
            state="starting",
            pid=os.getpid(),
            started_at=datetime.now(UTC).isoformat(),
            gateway_url=self._addresses.gateway_url,
            agent_address=self._addresses.agent,
            engine_addresses=self._addresses.engines,
            database_url=self._postgres.url() if self._postgres else os.environ["DATABASE_URL"],
            redis_url=self._valkey.url() if self._valkey else os.environ["REDIS_URL"],
            logs=str(self._state.logs),
            processes=_records([*self._servers, *programs]),
        )

    def _publish(self, mesh: MeshRecord) -> MeshRecord:
        self._record = mesh
        self._state.write_mesh(mesh)
        return mesh

    def _link_logs(self) -> None:
        """Show the servers' logs, which they keep with their data, beside the others."""
        for server in self._servers:
            link = self._state.logs / f"{server.name}.log"
            link.unlink(missing_ok=True)
            link.symlink_to(server.log)

    def _announce_draining(self) -> None:
        if self._record:
            self._publish(replace(self._record, state="draining"))


def _records(parts: Sequence[Part]) -> tuple[ProcessRecord, ...]:
    found = (record(part.name, pid) for part in parts if (pid := part.pid()))
    return tuple(each for each in found if each)
