"""A small real program that stands in for gateway, agent or engine where only their lives matter.

It is whichever service its environment names a port for: it serves gRPC health, or HTTP /ready, and
writes what happens to it into the file TINY_JOURNAL. TINY_GATEWAY, TINY_AGENT or TINY_ENGINE make
it misbehave: `dies` at once, is `late` for ever, or is `stubborn` and ignores SIGTERM.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

_ROLES = ("gateway", "agent", "engine")


def note(role: str, event: str) -> None:
    with Path(os.environ["TINY_JOURNAL"]).open("a") as journal:
        entry = {"role": role, "event": event, "pid": os.getpid(), "at": time.monotonic()}
        journal.write(json.dumps(entry) + "\n")


async def serve_health(port: int) -> grpc.aio.Server:
    server = grpc.aio.server()
    health = HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)  # pyright: ignore[reportUnknownMemberType] untyped package
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


async def answer_ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    await writer.drain()
    writer.close()


async def main() -> None:
    role = next(role for role in _ROLES if f"{role.upper()}_PORT" in os.environ)
    port = int(os.environ[f"{role.upper()}_PORT"])
    behaviour = os.environ.get(f"TINY_{role.upper()}", "")
    if behaviour == "dies":
        sys.exit("the tiny service has a reason to die")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, (lambda: None) if behaviour == "stubborn" else stop.set)
    server: object = None  # a gRPC server ends when nobody holds it
    if role == "gateway" and behaviour != "late":
        server = await asyncio.start_server(answer_ready, os.environ["GATEWAY_HOST"], port)
    elif behaviour != "late":
        server = await serve_health(port)
    sys.stdout.write(f"{role} with {server} on {port}\n")
    note(role, "up")
    await stop.wait()
    note(role, "drained")


if __name__ == "__main__":
    asyncio.run(main())
