"""What a version needs before one of its runs may be stored: that it can run, and a fitting input.

The check of a version is made once and kept, because versions never change; the check of an input
is made with every start, before anything is written.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from jsonschema import Draft202012Validator
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.catalogue import Catalogue
from engine_service.definitions.validate import require_valid, validate
from engine_service.sdk.run_input import items_of
from engine_service.sdk.trigger import Trigger
from engine_service.store.versions import get_version
from engine_service.values.forms import form_validator, misfits
from shared.errors import InvalidInput, Violation
from shared.workflow import JsonObject, Workflow, parse

_KEPT = 1_000
_MOST_VIOLATIONS = 20
_MISSING = Violation("/input", "missing", "Fill in the trigger's form.")


@dataclass(frozen=True, slots=True)
class Startable:
    """A version that can run.

    Attributes:
        triggers: Its enabled trigger nodes, in order, with what checks a run's input if anything.
        kinds: The same nodes with their types.
    """

    triggers: Mapping[str, Draft202012Validator | None]
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])

    def of_kind(self, kind: str) -> str:
        """The first trigger of a type; empty when there is none."""
        return next((node_id for node_id, its in self.kinds.items() if its == kind), "")

    def begin_at(self, node_id: str) -> str:
        """The trigger node to begin at: the one that is named, or else the first.

        Raises:
            InvalidInput: There is no such trigger.
        """
        if not node_id and self.triggers:
            return next(iter(self.triggers))
        if node_id in self.triggers:
            return node_id
        violation = Violation(
            "/trigger_node_id", "unknown_trigger", "This is no enabled trigger of the version."
        )
        raise InvalidInput("There is no such trigger to start from.", violations=[violation])

    def form(self, node_id: str) -> JsonObject | None:
        """What a trigger node's form asks for, as JSON Schema; None when it has none."""
        validator = self.triggers[node_id]
        return None if validator is None else cast("JsonObject", validator.schema)

    def check_input(self, node_id: str, given: bytes) -> str:
        """The input as JSON text.

        Raises:
            InvalidInput: It is not JSON, or does not fit the trigger's form.
        """
        try:
            value: Any = orjson.loads(given or b"{}")
            text = (given or b"{}").decode()
        except ValueError as error:
            violation = Violation("/input", "not_json", "The input is not JSON.")
            raise InvalidInput("The input is not JSON.", violations=[violation]) from error
        if (form := self.triggers[node_id]) is not None:
            _require_fit(form, value)
        return text


class Startables:
    """The versions that were found to be startable."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[tuple[str, int], Startable] = OrderedDict()

    async def get(self, connection: AsyncConnection, workflow_id: str, number: int) -> Startable:
        """A version of a workflow that the caller may see.

        Raises:
            NotFound: There is no such version.
            InvalidInput: It cannot run; each violation says why.
        """
        key = workflow_id, number
        found = self._kept.get(key)
        if found is None:
            stored = await get_version(connection, workflow_id, number)
            workflow = parse(stored.definition)
            require_valid(validate(workflow, self._catalogue), "run")
            found = self._kept[key] = startable_of(workflow, self._catalogue)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def startable_of(workflow: Workflow, catalogue: Catalogue) -> Startable:
    """What a valid definition can begin at, and with."""
    triggers: dict[str, Draft202012Validator | None] = {}
    for node in workflow.nodes:
        trigger = catalogue.find(node.type, node.version)
        if isinstance(trigger, Trigger) and not node.disabled:
            parameters = trigger.Parameters.model_validate(node.parameters)
            schema = trigger.input_schema(parameters)
            triggers[node.id] = None if schema is None else form_validator(schema)
    kinds = {node.id: node.type for node in workflow.nodes if node.id in triggers}
    return Startable(triggers, kinds)


def _require_fit(form: Draft202012Validator, given: Any) -> None:
    """Hold each item of an input against the trigger's form.

    Raises:
        InvalidInput: Some item does not fit, or there is none; each place is a violation.
    """
    entries = cast("list[Any]", given) if isinstance(given, list) else [given]
    violations = [] if entries else [_MISSING]
    for place, entry in enumerate(entries):
        [item] = items_of([entry])
        at: list[str | int] = ["input", place] if isinstance(given, list) else ["input"]
        violations += misfits(form, item["json"], [*at, "json"] if item is entry else at)
        if len(violations) >= _MOST_VIOLATIONS:
            break
    if violations:
        raise InvalidInput(
            "The input does not fit the trigger's form.",
            reason="INPUT_INVALID",
            violations=violations[:_MOST_VIOLATIONS],
        )
