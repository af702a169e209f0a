"""Where the programs of a mesh listen."""

import socket

import pytest

from cli.embedded.addresses import AGENT_PORT, ENGINE_PORT, Addresses, choose
from cli.embedded.placement import EmbeddedError


def test_one_engine_is_named_plainly_and_several_take_turns() -> None:
    one = Addresses("127.0.0.1", 8000, 50051, (50052,))
    two = Addresses("127.0.0.1", 8000, 50051, (50052, 50053))
    assert one.engine_target == "127.0.0.1:50052"
    assert two.engine_target == "ipv4:127.0.0.1:50052,127.0.0.1:50053"


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80")],
)
def test_url_is_one_that_this_machine_can_open(host: str, url: str) -> None:
    assert Addresses(host, 80, 1, (2,)).gateway_url == url


def test_port_zero_takes_free_ports_that_differ() -> None:
    chosen = choose("127.0.0.1", 0, engines=3)
    ports = {chosen.gateway_port, chosen.agent_port, *chosen.engine_ports}
    assert len(ports) == 5
    assert not ports & {0, AGENT_PORT, ENGINE_PORT}


def test_taken_port_of_the_gateway_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(EmbeddedError, match=f"Port {port} is taken"):
            choose("127.0.0.1", port, engines=1)
