"""Webhooks as they come in: which trigger listens on a path, and what its sender is answered.

Live webhooks are kept in memory by path, for this is the busiest way in. Memory may be out of date:
the start of a run checks in its own transaction that the trigger is still live, and a refusal is
believed only after another look at the database.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from pydantic import ValidationError

from engine_service.catalogue import Catalogue
from engine_service.encoding import encode
from engine_service.sdk.node import NodeParameters
from engine_service.sdk.trigger import Refused, WebhookTrigger
from engine_service.store import triggers
from engine_service.store.run_rows import StoredRun
from engine_service.store.triggers import LiveTrigger
from shared.database import Database
from shared.errors import NotFound
from shared.workflow import JsonObject

log = structlog.get_logger()

HOOK = "hook"
_KEPT = 10_000
# A step that begins with a colon stands for others, and is none itself.
_PATH = re.compile(
    r"(?:(?:form|chat):)?[A-Za-z0-9._~-]{1,200}(/(?!:)[^/\x00-\x1f\x7f]{1,200}){1,20}"
)
_PLAIN_ID = re.compile(r"[!-~]{1,200}")
_JSON: Mapping[str, str] = {"content-type": "application/json"}


def place(door: str, path: str) -> str:
    """A path behind one of the gateway's doors, as live triggers have it."""
    return path if door == HOOK else f"{door}:{path}"


def tool_place(tenant_id: str, name: str) -> str:
    """Where a tool of a tenant's MCP server is, among the paths: no request finds it by one."""
    return f"mcp:{tenant_id}/{name}"


@dataclass(frozen=True, slots=True)
class Listener:
    """A live webhook, ready to take requests."""

    row: LiveTrigger
    trigger: WebhookTrigger[Any]
    parameters: NodeParameters

    def key(self, delivery_id: str | None) -> str | None:
        """The key under which a delivery starts one run only; it outlives activations."""
        if not delivery_id:
            return None
        if not _PLAIN_ID.fullmatch(delivery_id):
            delivery_id = hashlib.sha256(delivery_id.encode("utf-8", "surrogatepass")).hexdigest()
        return f"hook:{self.row.workflow_id}:{self.row.node_id}:{delivery_id}"


class Listeners:
    """The live webhooks of all tenants.

    Args:
        database: Acts as flowloom_worker, for a sender has no tenant.
    """

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self.catalogue = catalogue
        self._kept: OrderedDict[str, Listener] = OrderedDict()

    async def get(self, path: str) -> tuple[Listener, bool]:
        """Who listens on a path behind a door, and whether that is fresh from the database.

        Raises:
            NotFound: Nobody does.
        """
        kept = self._kept.get(path)
        if kept is not None:
            self._kept.move_to_end(path)
            return kept, False
        return await self.look_up(path), True

    async def look_up(self, path: str) -> Listener:
        """Who listens on a path at this moment.

        Raises:
            NotFound: Nobody does.
        """
        self._kept.pop(path, None)
        row = None
        if _PATH.fullmatch(path):
            async with self._database.transaction() as connection:
                row = await triggers.find_by_path(connection, path)
                row = row or await triggers.find_by_shape(connection, path)
        listener = None if row is None else self._listener(row)
        if listener is None:
            raise NotFound("No webhook listens here.", reason="HOOK_NOT_FOUND")
        self._kept[path] = listener
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return listener

    def _listener(self, row: LiveTrigger) -> Listener | None:
        trigger = self.catalogue.find(row.type)
        if not isinstance(trigger, WebhookTrigger):
            log.error("trigger_unreadable", trigger_id=row.id, error=f"unknown type {row.type}")
            return None
        try:
            return Listener(row, trigger, trigger.Parameters.model_validate(row.parameters))
        except ValidationError as error:
            log.error("trigger_unreadable", trigger_id=row.id, error=str(error))
            return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender is answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


def taken(run_id: str) -> Answer:
    """The delivery is stored; its run has an id and goes on by itself."""
    return Answer(202, _JSON, orjson.dumps({"run_id": run_id}))


def refused(verdict: Refused) -> Answer:
    """The delivery starts nothing."""
    said: JsonObject = {"message": verdict.message}
    if verdict.violations:
        said["errors"] = [
            {"pointer": one.pointer, "code": one.code, "message": one.message}
            for one in verdict.violations
        ]
    return Answer(verdict.status, _JSON, orjson.dumps(said))


def answered(body: JsonObject) -> Answer:
    """The delivery is from who it should be, and starts nothing."""
    return Answer(200, _JSON, orjson.dumps(body))


def of_response(response: JsonObject) -> Answer:
    """What a responding node said; a body is JSON unless the node names another type of text."""
    headers = {str(name).lower(): str(value) for name, value in response["headers"].items()}
    body = response["body"]
    if body is None:
        return Answer(response["status"], headers)
    kind = headers.setdefault("content-type", "application/json")
    if isinstance(body, str) and "json" not in kind:
        return Answer(response["status"], headers, body.encode("utf-8", "replace"))
    return Answer(response["status"], headers, encode(body).encode())


def of_run(run: StoredRun) -> Answer:
    """What a run came to: what a node responded, or the data of its last node's items.

    A sender is not told why a run failed: that is for those who may see the run.
    """
    if run.response is not None:
        return of_response(orjson.loads(run.response))
    if run.status != "completed":
        said = {"run_id": run.id, "message": f"The run has {run.status}."}
        return Answer(500, _JSON, orjson.dumps(said))
    if run.output is None and run.output_blob is not None:
        said = {"run_id": run.id, "message": "What the run gave is too large for an answer."}
        return Answer(500, _JSON, orjson.dumps(said))
    items = orjson.loads(run.output or "[]")
    return Answer(200, _JSON, orjson.dumps([item["json"] for item in items]))
