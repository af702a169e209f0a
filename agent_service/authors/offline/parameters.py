"""The parameters of each kind of node, from what was read and the data that stands at its place."""

import re
from collections.abc import Sequence

from agent_service.authors.offline.labels import pause_of, slug
from agent_service.authors.offline.reading import (
    Ai,
    Answer,
    Arrange,
    Ask,
    Choice,
    Code,
    Comparison,
    Condition,
    Connect,
    Constant,
    Http,
    Judgement,
    Mail,
    ManualStart,
    Pause,
    Reading,
    SetFields,
    Source,
    Split,
    Unread,
    WebhookStart,
)
from agent_service.authors.offline.scope import Scope, spoken
from agent_service.authors.offline.verdicts import Interest
from agent_service.authors.offline.words import Words
from shared.workflow import JsonObject

NO_ADDRESS = "https://address-to-be-filled-in.invalid/"
"""Stands where no address was given; names under `.invalid` lead nowhere, by RFC 2606."""
_PATHS = {
    "订单": "orders", "消息": "messages", "请求": "requests", "表单": "forms", "数据": "data",
    "通知": "notifications", "支付": "payments", "付款": "payments", "线索": "leads",
    "工单": "tickets", "评论": "comments",
}  # fmt: skip
_CASE_NAME = re.compile(r"[^\w\u4e00-\u9fff.-]+")


def webhook(start: WebhookStart, title: str, *, responds: bool) -> JsonObject:
    """Of `trigger.webhook`."""
    path = _plural(_path_for(start.subject)) if start.subject else _path_for(title)
    given: JsonObject = {"path": start.path or path}
    if start.methods and list(start.methods) != ["POST"]:
        given["methods"] = list(start.methods)
    if responds:
        given["response_mode"] = "respond_node"
    return given


def _path_for(words: str) -> str:
    if words in _PATHS:
        return _PATHS[words]
    name = slug(words, "hook").replace("_", "-").removeprefix("webhook-")
    return "-".join(name.split("-")[:4])


def _plural(name: str) -> str:
    return name if name.endswith("s") or "-" in name or name == "hook" else f"{name}s"


def manual(start: ManualStart) -> JsonObject:
    """Of `trigger.manual`."""
    return {"fields": [{"name": name} for name in start.inputs]} if start.inputs else {}


def connect(step: Connect, scope: Scope) -> JsonObject:
    """Of a connector's node."""
    given: JsonObject = {name: scope.constant(value) for name, value in step.given.items()}
    if step.says:
        given[step.says] = scope.constant(step.text) if step.text else scope.as_text()
    if step.row:
        given[step.row] = scope.whole(Source.SUBJECT)
    return given


def http(step: Http, scope: Scope, interest: Interest) -> JsonObject:
    """Of `http.request`."""
    given: JsonObject = {"method": step.method, "url": scope.constant(step.url or NO_ADDRESS)}
    if step.body is not None:
        body = scope.payload(step.body)
        said = isinstance(step.body, Constant) and isinstance(body, str)
        given["body"] = {"text": body} if said else body
    if step.headers:
        given["headers"] = dict(step.headers)
    if interest.whole:
        given["full_response"] = True
    if interest.forgiving:
        given["fail_on_status"] = False
    return given


def approval(step: Ask, scope: Scope, reading: Reading, words: Words) -> JsonObject:
    """Of `human.approval`."""
    start = reading.start
    subject = start.subject if isinstance(start, WebhookStart) else ""
    given: JsonObject = {
        "title": spoken(step.title if " " in step.title else words.approve(subject))[:200],
        "message": scope.as_text(),
    }
    if step.approvers:
        given["approvers"] = list(step.approvers)
    return given


def ai(step: Ai, scope: Scope) -> JsonObject:
    """Of `ai.chat`."""
    given: JsonObject = {"prompt": f"{spoken(step.instruction)}\n\n{scope.as_text()}"}
    if step.labels:
        given["output_schema"] = _object({"category": {"type": "string", "enum": [*step.labels]}})
        given["temperature"] = 0
    elif step.fields:
        given["output_schema"] = _object({name: {"type": "string"} for name in step.fields})
        given["temperature"] = 0
    return given


def judge(question: Judgement, scope: Scope) -> JsonObject:
    """Of the `ai.chat` that answers a question of meaning with yes or no."""
    return {
        "prompt": f"Is this true: {spoken(question.question)}?\n\n{scope.as_text()}",
        "output_schema": _object({"answer": {"type": "boolean"}}),
        "temperature": 0,
    }


def _object(properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def set_fields(step: SetFields, scope: Scope) -> JsonObject:
    """Of `data.set`; new fields join the subject where it stands."""
    keeps = not step.only and scope.direct and not scope.subject.text
    prefix = f"{scope.subject.root}." if keeps and scope.subject.root else ""
    assignments = [
        {"name": f"{prefix}{name}", "value": scope.value(value)}
        for name, value in step.fields.items()
    ]
    given: JsonObject = {"assignments": assignments}
    if not step.only:
        given["include"] = "all"
    return given


def pause(step: Pause) -> JsonObject:
    """Of `flow.wait`."""
    amount, unit, _ = pause_of(step.seconds)
    return {"amount": int(amount) if float(amount).is_integer() else amount, "unit": unit}


def acting(step: Connect | Mail, scope: Scope, label: str) -> tuple[str, str, JsonObject]:
    """Of a node that acts elsewhere: its type, its label, its parameters."""
    if isinstance(step, Mail):
        return "email.send", label, mail(step, scope)
    return step.node_type, label, connect(step, scope)


def mail(step: Mail, scope: Scope) -> JsonObject:
    """Of `email.send`."""
    to = step.to[0] if len(step.to) == 1 else list(step.to)
    said = scope.constant(step.text) if step.text else "{{ JSON.stringify($json, null, 2) }}"
    subject = step.subject or step.phrase[:1].upper() + step.phrase[1:]
    return {"to": to, "subject": scope.constant(subject), "text": said}


def answer(step: Answer, scope: Scope) -> JsonObject:
    """Of `flow.respond`."""
    given: JsonObject = {}
    what = step.what
    if isinstance(what, Constant) and what.value is None:
        given["respond_with"] = "nothing"
    elif isinstance(what, Constant) and isinstance(what.value, str):
        given |= {"respond_with": "text", "body": scope.constant(what.value)}
    elif what is Source.SUBJECT and scope.direct and not (scope.subject.root or scope.subject.text):
        given["respond_with"] = "first_item"
    else:
        given |= {"respond_with": "json", "body": scope.payload(what)}
    if step.status:
        given["status"] = step.status
    return given


def conditions(condition: Condition, scope: Scope, judged: str) -> JsonObject:
    """Of `flow.if` and `flow.filter`; `judged` is where a model's yes or no stands."""
    tests: list[JsonObject] = []
    for test in condition.tests:
        if isinstance(test, Comparison):
            tests.append(_comparison(test, scope))
        elif isinstance(test, Unread):  # whatever depends on it does not happen
            tests.append({"left": condition.negated, "type": "boolean", "operator": "true"})
        else:
            tests.append({"left": judged, "type": "boolean", "operator": "true"})
    given: JsonObject = {"conditions": tests, "loose": True}
    if condition.any_of:
        given["combinator"] = "or"
    if any(isinstance(one.get("right"), str) for one in tests):
        given["case_sensitive"] = False
    return given


def _comparison(test: Comparison, scope: Scope) -> JsonObject:
    made: JsonObject = {
        "left": scope.value(test.left),
        "type": test.type,
        "operator": test.operator,
    }
    if test.right is not None:
        made["right"] = scope.constant(test.right)
    return made


def choice(step: Choice, scope: Scope) -> JsonObject:
    """Of `flow.switch`."""
    rules = [
        {
            "name": name,
            "conditions": [
                {
                    "left": scope.value(step.by),
                    "operator": "equals",
                    "right": scope.constant(case.value),
                }
            ],
            "case_sensitive": False,
            "loose": True,
        }
        for name, case in zip(_case_names(step), step.cases, strict=True)
    ]
    given: JsonObject = {"rules": rules}
    if step.default:
        given["fallback"] = "fallback"
    return given


def _case_names(step: Choice) -> Sequence[str]:
    return [_CASE_NAME.sub(" ", str(case.value)).strip()[:60] or "case" for case in step.cases]


def case_ports(step: Choice) -> Sequence[str]:
    """The ports by which the cases leave."""
    return [f"case:{name}" for name in _case_names(step)]


def code(step: Code) -> JsonObject:
    """Of `code.javascript`; without a source the items go on unchanged."""
    if step.source:
        source = step.source if "return" in step.source else f"return {step.source.rstrip(';')};"
        return {"code": source}
    return {"code": f"// {step.phrase}\nreturn $input.all();"}


def arrangement(step: Arrange, scope: Scope) -> JsonObject:
    """Of the `data` nodes that work on all items at once."""
    root = scope.subject.root if scope.direct else ""
    prefix = f"{root}." if root else ""
    listed = [
        {key: said if key == "order" else f"{prefix}{said}" for key, said in one.items()}
        for one in step.fields
    ]
    given: JsonObject = dict(step.given)
    if listed:
        names_only = step.node_type == "data.dedupe"
        given["fields"] = [one["name"] for one in listed] if names_only else listed
    return given


def split(step: Split, scope: Scope) -> JsonObject:
    """Of the `code.javascript` that makes items of a list."""
    path = scope.field(step.path)[3:-3].removeprefix("$json")
    list_of = f"item.json{path}" if path.startswith((".", "[")) or not path else path
    return {
        "code": "return $input.all().flatMap((item) =>\n"
        f"  [{list_of}].flat().map((one) => (Object(one) === one ? one : {{ value: one }})));"
    }
