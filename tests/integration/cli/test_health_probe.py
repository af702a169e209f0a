"""The probe against real gRPC servers, plain and with TLS, as the program that scripts run."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from cli.embedded.ports import free_port
from cli.health_probe import read

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def run(*arguments: str) -> tuple[int, str]:
    """Run the program; its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.health_probe", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, said


async def ask(*arguments: str) -> tuple[int, str]:
    """Do in this process what the program does with these arguments."""
    probe, _ = read(arguments)
    verdict, sentence = await probe.ask()
    return int(verdict), sentence


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: Path
    key: Path


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """A self-signed certificate for `mesh.test`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mesh.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mesh.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
async def servers(certificate: Certificate) -> AsyncIterator[tuple[int, int]]:
    """A server's plain and TLS port: healthy as a whole, but its service `tired` is not."""
    server = grpc.aio.server()
    health = HealthServicer()
    await health.set("", SERVING)
    await health.set("tired", NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)  # pyright: ignore[reportUnknownMemberType] untyped package
    pair = (certificate.key.read_bytes(), certificate.certificate.read_bytes())
    plain = server.add_insecure_port("127.0.0.1:0")
    secure = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    yield plain, secure
    await server.stop(grace=None)


async def test_programs_learn_from_the_exit_code(servers: tuple[int, int]) -> None:
    address = f"-addr=127.0.0.1:{servers[0]}"
    assert await run(address) == (0, "status: SERVING\n")
    assert await run(address, "-service=tired") == (4, "status: NOT_SERVING\n")


async def test_verdicts_are_the_original_s(servers: tuple[int, int]) -> None:
    address = f"-addr=127.0.0.1:{servers[0]}"
    assert await ask(address) == (0, "status: SERVING")
    assert await ask(address, "-service=tired") == (4, "status: NOT_SERVING")
    code, said = await ask(address, "-service=unknown")
    assert (code, "NOT_FOUND" in said) == (3, True)
    code, said = await ask(f"-addr=127.0.0.1:{free_port()}", "-connect-timeout=300ms")
    assert (code, "cannot connect" in said) == (2, True)


async def test_server_that_is_no_grpc_server_cannot_be_connected_to() -> None:
    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code, _ = await ask(f"-addr=127.0.0.1:{port}", "-connect-timeout=300ms")
        assert code == 2


async def test_tls_is_verified(servers: tuple[int, int], certificate: Certificate) -> None:
    tls = (f"-addr=127.0.0.1:{servers[1]}", "-tls")
    trusted = f"-tls-ca-cert={certificate.certificate}"
    named = "-tls-server-name=mesh.test"
    code, _ = await ask(*tls, trusted, named, "-connect-timeout=5s")
    assert code == 0
    for untrusted in ((*tls, trusted), (*tls, named), tls[:1]):
        code, _ = await ask(*untrusted, "-connect-timeout=500ms")
        assert code == 2
