"""Servers of tools that speak MCP over HTTP: what they offer, what a call gives, how they fail.

The protocol's own SDK does the talking (`mcp_client.py`); loading it takes a while and much memory,
so that is done with the first call, beside the event loop.
"""

import asyncio
import base64
import binascii
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pydantic import Field

from engine_service.sdk.blob import UNKNOWN_TYPE, Blobs
from engine_service.sdk.node import (
    Credential,
    Failed,
    HttpClient,
    NodeError,
    NodeParameters,
    Services,
)
from engine_service.values.field_types import to_text
from shared.workflow import Item, JsonObject

if TYPE_CHECKING:
    from engine_service.protocols.mcp_client import Talk

_SDK = "engine_service.protocols.mcp_client"


class ServerParameters(NodeParameters):
    """Where a server is."""

    url: str = Field(
        min_length=1, max_length=8_000, description="The server's address (streamable HTTP)"
    )
    headers: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        json_schema_extra={"x-secret-names": True},
        description="Headers to send with every request; a credential is the better place for "
        "secrets",
    )
    timeout: float = Field(
        default=60.0, gt=0, le=600, description="Seconds for one call, all requests for it included"
    )


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool of a server; `repeatable` is what the server says of it."""

    name: str
    title: str
    description: str
    arguments: JsonObject
    result: JsonObject | None
    repeatable: bool

    def as_json(self) -> JsonObject:
        """As an item tells of it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "arguments": self.arguments,
            "result": self.result,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave; `content` are the blocks of the protocol, as JSON."""

    content: Sequence[JsonObject]
    structured: Any
    is_error: bool


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A server, as one node may speak with it."""

    url: str
    headers: Mapping[str, str]
    seconds: float
    http: HttpClient
    credential: Credential | None = field(repr=False)
    most_bytes: int

    @classmethod
    async def of(
        cls, parameters: ServerParameters, services: Services, types: Sequence[str]
    ) -> "ToolServer":
        """The server that parameters name, with the node's credential.

        Raises:
            NodeError: The credential cannot be opened.
        """
        said = {
            name.lower(): to_text(value)
            for name, value in parameters.headers.items()
            if value is not None
        }
        credential = await services.credentials.find(*types)
        most = services.most_bytes
        return cls(parameters.url, said, parameters.timeout, services.http, credential, most)

    async def tools(self) -> Sequence[OfferedTool]:
        """What it offers.

        Raises:
            NodeError: It cannot be asked.
        """
        return await (await self._talk()).tools()

    async def call(self, tool: str, arguments: JsonObject) -> Answer:
        """What a tool gives.

        Raises:
            NodeError: It cannot be asked, or it has no such tool.
        """
        return await (await self._talk()).call(tool, arguments)

    async def _talk(self) -> "Talk":
        module = await asyncio.to_thread(importlib.import_module, _SDK)
        return module.Talk(self)


def shown_url(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def items_of_answer(answer: Answer, blobs: Blobs) -> list[Item]:
    """What a call gave, as items.

    Structured content comes first, then a text that is JSON; a list gives an item for each member.
    Pictures, sounds and files become files of the first item.

    Raises:
        NodeError: The tool says that it failed, or a file cannot be kept.
    """
    texts = [str(text) for text in map(_text_of, answer.content) if text is not None]
    text = "\n".join(texts)
    if answer.is_error:
        message = text or "The tool failed and did not say why."
        raise NodeError(Failed("tool_failed", message))
    value = _unwrapped(answer.structured)
    if value is None and len(texts) == 1:
        value = _as_json(text)
    files = await _files(answer.content, blobs)
    if value is None:
        value = {"text": text} if texts or not files else {}
    members = cast("list[Any]", value) if isinstance(value, list) else [value]
    items: list[Item] = [{"json": _object(member)} for member in members]
    if files:
        first: Item = items[0] if items else {"json": {}}
        items[:1] = [{**first, "binary": files}]
    return items


def _unwrapped(value: Any) -> Any:
    """Structured content; what is no object travels in a field `result` of one."""
    if isinstance(value, dict):
        known = cast("JsonObject", value)
        if list(known) == ["result"]:
            return known["result"]
    return cast("Any", value)


def _as_json(text: str) -> Any:
    """An object or a list that a text holds; None when it holds none."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Any", value) if isinstance(value, dict | list) else None


def _object(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {"result": value}


def _text_of(block: JsonObject) -> str | None:
    match block:
        case {"type": "text", "text": text}:
            return str(text)
        case {"type": "resource", "resource": {"text": text}}:
            return str(text)
        case {"type": "resource_link", "uri": uri}:
            return str(uri)
        case _:
            return None


async def _files(content: Sequence[JsonObject], blobs: Blobs) -> JsonObject:
    files: JsonObject = {}
    for block in content:
        match block:
            case {"type": "image" | "audio" as kind, "data": data}:
                name = kind
            case {"type": "resource", "resource": {"blob": data, "uri": uri}}:
                name = str(uri).rstrip("/").rpartition("/")[2] or "file"
            case _:
                continue
        inner = cast("JsonObject", block.get("resource") or block)
        media_type = str(inner.get("mimeType") or UNKNOWN_TYPE)
        place = "data" if not files else f"data_{len(files)}"
        try:
            raw = base64.b64decode(data, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            message = "The server sent a file that is not base64."
            raise NodeError(Failed("bad_response", message)) from error
        async with blobs.create(name, media_type) as writer:
            await writer.send(raw)
        files[place] = writer.blob.reference()
    return files
