"""What people fill in and write: forms that begin a run or stand in it, and chats."""

import re
from collections.abc import Iterator

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_ANSWERS = {"onReceived": "at_once", "lastNode": "last_node", "responseNode": "respond_node"}
_AUTH = {"none": "none", "basicAuth": "basic"}
_TYPES: dict[str, JsonObject] = {
    "text": {}, "textarea": {"format": "multiline"}, "email": {"format": "email"},
    "number": {"type": "number"}, "date": {"format": "date"}, "dropdown": {}, "radio": {},
    "checkbox": {"type": "array"},
}  # fmt: skip
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")
_NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9_~-]+")


def _form_trigger(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    parameters: JsonObject = {
        "path": _path(fields.text("path") or options.text("path"), "form"),
        "title": fields.text("formTitle") or "Form",
        "fields": _form_fields(fields),
        "response_mode": fields.choice("responseMode", _ANSWERS, "onReceived"),
    }
    if description := fields.text("formDescription"):
        parameters["description"] = description
    if label := options.text("buttonLabel"):
        parameters["button"] = label
    _protect(fields, parameters)
    options.ignore("appendAttribution", "useWorkflowTimezone", "ignoreBots", "customCss")
    return Mapped("trigger.form", parameters)


def _form(node: SourceNode) -> Mapped:
    """The next page of a form."""
    fields, options = node.fields, node.fields.section("options")
    if fields.fixed("operation", "page") != "page":
        raise CannotMap("A page at the end of a form is what its trigger says as `thanks`.")
    parameters: JsonObject = {
        "title": options.text("formTitle") or "Form",
        "fields": _form_fields(fields),
    }
    if description := options.text("formDescription"):
        parameters["message"] = description
    options.ignore("buttonLabel", "customCss")
    fields.differ(
        "Whoever sent the form is not led on to this one: it stands in the list of approvals, and "
        "behind the link of a message of `notify`. The values come as `form.values`."
    )
    return Mapped("human.form", parameters)


def _chat_trigger(node: SourceNode) -> Mapped:
    fields, options = node.fields, node.fields.section("options")
    parameters: JsonObject = {"path": _path(str(node.raw.get("webhookId") or ""), "chat")}
    if title := options.text("title"):
        parameters["title"] = title
    if greeting := fields.text("initialMessages"):
        parameters["greeting"] = greeting
    _protect(fields, parameters)
    fields.ignore("public", "mode")
    options.ignore("subtitle", "inputPlaceholder", "responseMode", "showWelcomeScreen")
    fields.differ("The item is {message, session_id}, not {chatInput, sessionId, action}.")
    return Mapped("trigger.chat", parameters)


def _protect(fields: Fields, parameters: JsonObject) -> None:
    if fields.choice("authentication", _AUTH, "none") == "basic":
        parameters["auth"] = "basic"
        fields.differ("The secret is not in an export: enter it in the parameter 'secret'.")


def _path(written: str, otherwise: str) -> str:
    return _NOT_IN_PATHS.sub("-", written).strip("-")[:200] or otherwise


def _form_fields(fields: Fields) -> list[JsonObject]:
    made = list(_each_field(fields))
    if not made:
        raise CannotMap("It has no fields that are known here.")
    fields.differ("Its fields are named in the item as their `name` says, not by their labels.")
    return made


def _each_field(fields: Fields) -> Iterator[JsonObject]:
    taken: set[str] = set()
    for place, row in enumerate(fields.rows("formFields", "values")):
        kind = row.fixed("fieldType", "text")
        if kind not in _TYPES:
            raise CannotMap(f"There is no counterpart of a field of the type {kind!r}.")
        label = row.text("fieldLabel")
        name = _name(row.text("fieldName") or label, place, taken)
        field: JsonObject = {"name": name, **_TYPES[kind], "required": row.flag("requiredField")}
        if label:
            field["title"] = label[:200]
        if choices := [one.text("option") for one in row.rows("fieldOptions", "values")]:
            field["choices"] = choices
        if row.flag("multiselect"):
            field["type"] = "array"
        if (default := row.take("defaultValue")) not in (None, ""):
            field["default"] = default
        row.ignore("placeholder", "formatDate", "limitSelection", "multipleFiles")
        yield field


def _name(written: str, place: int, taken: set[str]) -> str:
    name = _NOT_IN_NAMES.sub("_", written).strip("_")[:60] or f"field_{place + 1}"
    if name[0].isdigit():
        name = f"_{name}"
    if name in taken:
        name = f"{name}_{place + 1}"
    taken.add(name)
    return name


MAPPINGS = (
    NodeMapping(("n8n-nodes-base.formTrigger",), _form_trigger),
    NodeMapping(("n8n-nodes-base.form",), _form),
    NodeMapping(("@n8n/n8n-nodes-langchain.chatTrigger",), _chat_trigger),
)
