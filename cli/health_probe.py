"""Asks a gRPC server for its health: grpc_health_probe in Python, same flags, same exit codes.

    python -m cli.health_probe -addr=localhost:50051 -service=flowloom.agent.v1.SessionService

Exit codes: 0 serving, 1 bad arguments, 2 connect failed, 3 RPC failed, 4 not serving. Of the
original's flags only -tls-no-verify is missing: gRPC for Python always verifies.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

import grpc
from grpc_health.v1 import health_pb2


class Verdict(IntEnum):
    """What came of a probe; also the exit code."""

    SERVING = 0
    BAD_ARGUMENTS = 1
    CONNECT_FAILED = 2
    RPC_FAILED = 3
    NOT_SERVING = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """A question about one service of one server.

    Attributes:
        service: A full service name; empty asks for the server as a whole.
        credentials: None speaks plain text.
        tls_server_name: Whose certificate is expected, when it is not the address's.
    """

    address: str
    service: str = ""
    connect_seconds: float = 1.0
    rpc_seconds: float = 1.0
    credentials: grpc.ChannelCredentials | None = None
    tls_server_name: str = ""
    user_agent: str = "grpc_health_probe"
    metadata: tuple[tuple[str, str], ...] = ()

    async def ask(self) -> tuple[Verdict, str]:
        """Return the verdict and a sentence for people."""
        async with self._channel() as channel:
            try:
                async with asyncio.timeout(self.connect_seconds):
                    await channel.channel_ready()
            except TimeoutError:
                return (
                    Verdict.CONNECT_FAILED,
                    f"cannot connect to {self.address} within {self.connect_seconds:g}s",
                )
            try:
                answer = await self._check(channel)
            except grpc.aio.AioRpcError as error:
                return Verdict.RPC_FAILED, f"{error.code().name}: {error.details()}"
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        verdict = Verdict.SERVING if status == "SERVING" else Verdict.NOT_SERVING
        return verdict, f"status: {status}"

    async def _check(self, channel: grpc.aio.Channel) -> health_pb2.HealthCheckResponse:
        # Not the package's own stub: it carries no types.
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        request = health_pb2.HealthCheckRequest(service=self.service)
        return await check(request, timeout=self.rpc_seconds, metadata=self.metadata)

    def _channel(self) -> grpc.aio.Channel:
        options = [
            ("grpc.primary_user_agent", self.user_agent),
            # A probe is impatient: gRPC's own first retry would come after a second.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.enable_http_proxy", 0),
        ]
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        if self.tls_server_name:
            options.append(("grpc.ssl_target_name_override", self.tls_server_name))
        return grpc.aio.secure_channel(self.address, self.credentials, options=options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe as the arguments say; return the exit code."""
    try:
        probe, verbose = read(arguments)
    except (argparse.ArgumentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return Verdict.BAD_ARGUMENTS
    if verbose:
        print(f"> asking {probe.address} for {probe.service or 'the whole server'}")
    verdict, sentence = asyncio.run(probe.ask())
    print(sentence, file=sys.stdout if verdict is Verdict.SERVING else sys.stderr)
    return verdict


def read(arguments: Sequence[str] | None) -> tuple[Probe, bool]:
    """Turn the command line into a probe.

    Raises:
        argparse.ArgumentError: it makes no sense.
        OSError: a TLS file cannot be read.
    """
    given = _parser().parse_args(arguments)
    if not given.tls and any(
        (given.tls_ca_cert, given.tls_client_cert, given.tls_client_key, given.tls_server_name)
    ):
        raise argparse.ArgumentError(None, "the -tls-… flags need -tls")
    if bool(given.tls_client_cert) != bool(given.tls_client_key):
        raise argparse.ArgumentError(None, "-tls-client-cert and -tls-client-key go together")
    probe = Probe(
        address=given.addr,
        service=given.service,
        connect_seconds=given.connect_timeout,
        rpc_seconds=given.rpc_timeout,
        credentials=_credentials(given) if given.tls else None,
        tls_server_name=given.tls_server_name,
        user_agent=given.user_agent,
        metadata=tuple(given.rpc_header),
    )
    return probe, given.v


def _credentials(given: argparse.Namespace) -> grpc.ChannelCredentials:
    def content(path: Path | None) -> bytes | None:
        return path.read_bytes() if path else None

    return grpc.ssl_channel_credentials(
        content(given.tls_ca_cert), content(given.tls_client_key), content(given.tls_client_cert)
    )


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would exit with a code that means something else here."""

    def error(self, message: str) -> NoReturn:
        raise argparse.ArgumentError(None, message)


def _parser() -> argparse.ArgumentParser:
    """Build the parser; flags have one dash, as the original's have, or two."""
    parser = _Parser("health_probe", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("-addr", "--addr", required=True, help="host:port or unix:path of the server")
    add("-service", "--service", default="", help="full service name; empty asks for the server")
    for name in ("connect-timeout", "rpc-timeout"):
        add(f"-{name}", f"--{name}", type=_seconds, default=1.0, help="such as 250ms or 1s")
    add("-user-agent", "--user-agent", default="grpc_health_probe")
    add("-rpc-header", "--rpc-header", type=_header, action="append", default=[], help="name:value")
    add("-tls", "--tls", action="store_true", help="speak TLS instead of plain text")
    for name in ("tls-ca-cert", "tls-client-cert", "tls-client-key"):
        add(f"-{name}", f"--{name}", type=Path, help="a PEM file")
    add("-tls-server-name", "--tls-server-name", default="", help="name in the certificate")
    add("-v", action="store_true", help="say more")
    return parser


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: str) -> float:
    """Read a duration above zero as Go writes it: 250ms, 1.5s, 1m30s."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not seconds or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 250ms or 1s")
    return seconds


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is no name:value")
    return name.strip().lower(), value.strip()


if __name__ == "__main__":
    sys.exit(main())
