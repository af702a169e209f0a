"""What n8n lets people set for any node, and for a workflow, in our words."""

from typing import Any

from engine_service.n8n.document import Document
from engine_service.n8n.fields import Fields
from shared.workflow import JsonObject

_ON_ERROR = {
    "stopWorkflow": "stop",
    "continueRegularOutput": "continue",
    "continueErrorOutput": "error_port",
}
_LEAST_TRIES, _MOST_TRIES = 2, 20
_LONGEST_PAUSE = 3_600.0
# Of no meaning to a run: where things are drawn, how they are named inside n8n, what is derived.
_OF_THE_EDITOR = frozenset(
    {
        "id", "name", "type", "typeVersion", "position", "parameters", "credentials", "disabled",
        "notes", "notesInFlow", "webhookId", "color", "iconUrl", "issues", "alwaysOutputData",
        "executeOnce", "retryOnFail", "maxTries", "waitBetweenTries", "onError", "continueOnFail",
        "extendsCredential", "rewireOutputLogTo", "forceCustomOperation", "cid",
    }
)  # fmt: skip
_OF_THE_WORKFLOW = frozenset(
    {
        "executionOrder", "timezone", "executionTimeout", "errorWorkflow", "saveManualExecutions",
        "saveExecutionProgress", "saveDataErrorExecution", "saveDataSuccessExecution", "callerIds",
        "callerPolicy", "timeSavedPerExecution", "timeSavedMode", "availableInMCP", "binaryMode",
    }
)  # fmt: skip


def node_settings(node: JsonObject, fields: Fields) -> JsonObject:
    """`settings` of a node; differences are said to `fields`."""
    made: JsonObject = {}
    on_error = _ON_ERROR.get(str(node.get("onError")), "stop")
    if on_error == "stop" and node.get("continueOnFail") is True and not node.get("onError"):
        on_error = "continue"
    if on_error != "stop":
        made["on_error"] = on_error
    if on_error == "continue":
        fields.differ("A failing item goes on as it came; its error is in the run's history.")
    if on_error == "error_port":
        fields.differ("The error of a failing item is an object: 'error.code', 'error.message'.")
    if node.get("retryOnFail") is True:
        made["retry"] = _retry(node, fields)
    if node.get("alwaysOutputData") is True:
        made["always_output"] = True
    if node.get("executeOnce") is True:
        made["execute_once"] = True
    for name in node.keys() - _OF_THE_EDITOR:
        if node[name] not in (None, "", False, [], {}):
            fields.differ(f"Its setting {name!r} was not carried over.")
    return made


def _retry(node: JsonObject, fields: Fields) -> JsonObject:
    """n8n waits the same time before each try, so the longest pause is the first one."""
    tries = _number(node.get("maxTries"), 3)
    pause = min(max(_number(node.get("waitBetweenTries"), 1_000) / 1_000, 0), _LONGEST_PAUSE)
    fields.differ("Only failures that a repeat may mend are tried again.")
    return {
        "max_attempts": int(min(max(tries, _LEAST_TRIES), _MOST_TRIES)),
        "backoff": pause,
        "max_delay": pause,
    }


def workflow_settings(document: Document) -> tuple[JsonObject, list[str]]:
    """`settings` of a workflow, and what was not carried over."""
    given, made, notes = document.settings, dict[str, Any](), list[str]()
    zone = given.get("timezone")
    if isinstance(zone, str) and zone and zone != "DEFAULT":
        made["timezone"] = zone
    else:
        notes.append("It names no time zone, so n8n used its own; here times are in UTC.")
    timeout = _number(given.get("executionTimeout"), 0)
    if timeout > 0:
        made["timeout"] = timeout
    if given.get("errorWorkflow"):
        notes.append(
            f"Its error workflow {given['errorWorkflow']!r} was not carried over: import that one, "
            "and name it in the setting 'error_workflow'."
        )
    notes.extend(
        f"The workflow's setting {name!r} was not carried over."
        for name in sorted(given.keys() - _OF_THE_WORKFLOW)
        if given[name] not in (None, "", False, [], {})
    )
    return made, notes


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) and value == value else default
