"""A provider for Terraform that knows a schema and does nothing: enough for `terraform validate`.

Terraform is told of it by TF_REATTACH_PROVIDERS, so that it asks nobody else. It speaks version 5
of the plugin protocol over a unix socket; the few messages that are needed are put together here.
"""

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from tests.support.aws_schema import Attribute, Block, Nested

_LIST, _SET = 2, 3
_VALIDATIONS = (
    "ValidateResourceTypeConfig",
    "ValidateDataSourceConfig",
    "ValidateEphemeralResourceConfig",
    "Stop",
)


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider declares."""

    name: str
    configuration: Block = field(default_factory=Block)
    resources: Mapping[str, Block] = field(default_factory=dict[str, Block])
    data_sources: Mapping[str, Block] = field(default_factory=dict[str, Block])
    ephemeral: Mapping[str, Block] = field(default_factory=dict[str, Block])

    def schema(self) -> bytes:
        """The answer to GetSchema."""
        return (
            _field(1, _schema(self.configuration))
            + _schemas(2, self.resources)
            + _schemas(3, self.data_sources)
            + _schemas(8, self.ephemeral)
        )


@asynccontextmanager
async def serving(providers: list[Provider], folder: Path) -> AsyncGenerator[dict[str, str]]:
    """Serve providers while the block runs; what Terraform's environment must say."""
    servers: list[grpc.aio.Server] = []
    addresses: dict[str, object] = {}
    try:
        for provider in providers:
            socket = folder / f"{provider.name}.sock"
            server = grpc.aio.server()
            server.add_generic_rpc_handlers([_handler(provider)])
            server.add_insecure_port(f"unix:{socket}")
            await server.start()
            servers.append(server)
            addresses[f"registry.terraform.io/hashicorp/{provider.name}"] = {
                "Protocol": "grpc",
                "ProtocolVersion": 5,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "unix", "String": str(socket)},
            }
        yield {"TF_REATTACH_PROVIDERS": json.dumps(addresses)}
    finally:
        for server in servers:
            await server.stop(None)


def _handler(provider: Provider) -> grpc.GenericRpcHandler:
    schema = provider.schema()

    async def declare(request: bytes, context: object) -> bytes:
        return schema

    async def echo(request: bytes, context: object) -> bytes:
        return request  # the configuration as it came, in the same place

    async def accept(request: bytes, context: object) -> bytes:
        return b""  # no objections

    methods = {"GetSchema": declare, "PrepareProviderConfig": echo} | dict.fromkeys(
        _VALIDATIONS, accept
    )
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    return grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers)


def _schemas(number: int, blocks: Mapping[str, Block]) -> bytes:
    return b"".join(
        _field(number, _field(1, name.encode()) + _field(2, _schema(block)))
        for name, block in blocks.items()
    )


def _schema(block: Block) -> bytes:
    return _field(2, _block(block))


def _block(block: Block) -> bytes:
    attributes = (_field(2, _attribute(name, one)) for name, one in block.attributes.items())
    blocks = (_field(3, _nested(name, one)) for name, one in block.blocks.items())
    return b"".join((*attributes, *blocks))


def _attribute(name: str, attribute: Attribute) -> bytes:
    optional = attribute.configurable and not attribute.required
    write_only = attribute.configurable and name.endswith("_wo")
    return (
        _field(1, name.encode())
        + _field(2, json.dumps(attribute.type).encode())
        + _flag(4, attribute.required)
        + _flag(5, optional)
        + _flag(6, not attribute.required and not write_only)
        + _flag(10, write_only)
    )


def _nested(name: str, nested: Nested) -> bytes:
    return (
        _field(1, name.encode())
        + _field(2, _block(nested.block))
        + _number(3, _SET if nested.is_set else _LIST)
        + _number(4, int(nested.required))
        + _number(5, int(nested.single))
    )


def _flag(number: int, value: bool) -> bytes:
    return _number(number, int(value))


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value) if value else b""


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
