"""The command line of the probe; its talking to servers is tested with real ones."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.health_probe import Verdict, main, read

_TIMEOUTS = ("--connect-timeout", "250ms", "--rpc-timeout", "1m1.5s")


def test_flags_have_one_dash_or_two_and_two_ways_to_a_value() -> None:
    for arguments in (
        ["-addr=host:1", "-service=a.B", "-connect-timeout=250ms", "-rpc-timeout=1m1.5s"],
        [*("--addr", "host:1", "--service", "a.B"), *_TIMEOUTS],
    ):
        probe, _ = read(arguments)
        assert (probe.address, probe.service) == ("host:1", "a.B")
        assert (probe.connect_seconds, probe.rpc_seconds) == (0.25, 61.5)


def test_defaults_are_the_original_s() -> None:
    probe, verbose = read(["-addr=host:1"])
    assert (probe.service, probe.connect_seconds, probe.rpc_seconds) == ("", 1.0, 1.0)
    assert (probe.user_agent, verbose) == ("grpc_health_probe", False)


def test_headers_are_sent_in_lower_case() -> None:
    probe, _ = read(["-addr=host:1", "-rpc-header", "X-A: 1", "-rpc-header=b:2:3"])
    assert probe.metadata == (("x-a", "1"), ("b", "2:3"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-addr=host:1", "-rpc-timeout=soon"],
        ["-addr=host:1", "-connect-timeout=0s"],
        ["-addr=host:1", "-unknown"],
        ["-addr=host:1", "-rpc-header=nonsense"],
        ["-addr=host:1", "-tls-server-name=other"],
        ["-addr=host:1", "-tls", "-tls-client-cert=x"],
        ["-addr=host:1", "-tls", "-tls-ca-cert=/does/not/exist"],
    ],
)
def test_bad_arguments_exit_with_1(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == Verdict.BAD_ARGUMENTS == 1
    assert "error:" in capsys.readouterr().err


def test_files_are_read_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("a certificate")
    probe, _ = read(["-addr=host:1", "-tls", f"-tls-ca-cert={tmp_path / 'ca.pem'}"])
    assert probe.credentials is not None
