"""Where the programs of a mesh on this machine listen, chosen before any of them starts."""

from dataclasses import dataclass

from cli.embedded.placement import EmbeddedError
from cli.embedded.ports import LOOPBACK, describe_listener, free_port, is_free

GATEWAY_PORT, AGENT_PORT, ENGINE_PORT = 8000, 50051, 50052


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports of one mesh; everything but the gateway listens on the loopback only."""

    host: str
    gateway_port: int
    agent_port: int
    engine_ports: tuple[int, ...]

    @property
    def gateway_url(self) -> str:
        """The address for people and programs on this machine."""
        host = LOOPBACK if self.host in {"0.0.0.0", "::", ""} else self.host
        return f"http://{host}:{self.gateway_port}"

    @property
    def agent(self) -> str:
        return f"{LOOPBACK}:{self.agent_port}"

    @property
    def engines(self) -> tuple[str, ...]:
        return tuple(f"{LOOPBACK}:{port}" for port in self.engine_ports)

    @property
    def engine_target(self) -> str:
        """All engines as one gRPC target, over which calls take turns."""
        return self.engines[0] if len(self.engines) == 1 else f"ipv4:{','.join(self.engines)}"


def choose(host: str, gateway_port: int, engines: int) -> Addresses:
    """Choose the ports: the gateway's as wanted, the inner ones as usual or else any free ones.

    A gateway port of 0 takes any free ones for all: many meshes can then start at the same time.

    Raises:
        EmbeddedError: the gateway's port is taken.
    """
    if gateway_port and not is_free(gateway_port, host):
        raise EmbeddedError(
            f"Port {gateway_port} is taken by {describe_listener(gateway_port)}. Stop it, or "
            "choose another port with --port (0 takes any free one)."
        )
    inner = _usual_or_free if gateway_port else _free
    return Addresses(
        host=host,
        gateway_port=gateway_port or free_port(),
        agent_port=inner(AGENT_PORT),
        engine_ports=(inner(ENGINE_PORT), *(free_port() for _ in range(engines - 1))),
    )


def _usual_or_free(usual: int) -> int:
    return usual if is_free(usual) else free_port()


def _free(_: int) -> int:
    return free_port()
