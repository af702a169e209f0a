"""What single nodes of n8n become; each result must be one that its node type takes."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.checks import parameters as checks
from engine_service.n8n.fields import CannotMap, Fields
from engine_service.n8n.mapping import Mapped, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from shared.workflow import JsonObject

BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}


def mapped(
    kind: str, parameters: JsonObject, version: float = 1, **more: Any
) -> tuple[Mapped, list[str]]:
    """What a node becomes, and what is said of it."""
    name = kind if "." in kind else f"n8n-nodes-base.{kind}"
    fields = Fields(parameters)
    source = SourceNode("Node", name, version, fields, {"name": "Node", "type": name}, **more)
    made = BY_TYPE[name].translate(source)
    node_type = builtin().get(made.type)
    assert not checks.check(type(node_type), made.parameters), made
    ports = {*node_type.ports(made.parameters)}
    for port in made.outputs:
        assert {port} if isinstance(port, str) else {*port} <= ports
    assert {*made.inputs} <= {*node_type.input_names(made.parameters), "main"}
    return made, [*fields.differences, *fields.unread()]


def test_no_type_is_mapped_twice() -> None:
    names = [name for mapping in MAPPINGS for name in mapping.types]
    assert len(names) == len(set(names))


PLAIN: list[tuple[str, float, JsonObject, str, JsonObject]] = [
    ("manualTrigger", 1, {}, "trigger.manual", {}),
    ("webhook", 2, {"path": "orders", "httpMethod": "POST", "responseMode": "responseNode"},
     "trigger.webhook", {"path": "orders", "methods": ["POST"], "response_mode": "respond_node"}),
    ("splitInBatches", 3, {"options": {}}, "flow.loop", {"batch_size": 1}),
    ("wait", 1.1, {"amount": 10, "unit": "minutes"}, "flow.wait",
     {"amount": 10, "unit": "minutes"}),
    ("wait", 1, {"resume": "specificTime", "dateTime": "={{ $json.at }}"}, "flow.wait",
     {"mode": "until", "until": "{{ $json.at }}"}),
    ("respondToWebhook", 1.4,
     {"respondWith": "allIncomingItems", "options": {"responseKey": "data.rows"}},
     "flow.respond",
     {"respond_with": "json",
      "body": {"data": {"rows": "{{ $items.map((one) => one.json) }}"}}}),
    ("respondToWebhook", 1.1,
     {"respondWith": "json", "responseBody": "={\"a\": {{ $json.a }}}",
      "options": {"responseCode": 201, "responseHeaders": {"entries": [
          {"name": "x-a", "value": "b"}]}}},
     "flow.respond", {"respond_with": "json", "body": "{\"a\": {{ $json.a }}}", "status": 201,
                      "headers": {"x-a": "b"}}),
    ("stopAndError", 1, {"errorMessage": "No {{ such }}"}, "flow.stop",
     {"message": "No \\{{ such }}"}),
    ("removeDuplicates", 2,
     {"operation": "removeItemsSeenInPreviousExecutions", "dedupeValue": "={{ $json.id }}",
      "options": {"scope": "workflow", "historySize": 500}},
     "data.remember", {"key": "{{ $json.id }}", "scope": "workflow", "history": 500}),
    ("removeDuplicates", 2,
     {"operation": "removeItemsSeenInPreviousExecutions",
      "logic": "removeItemsUpToStoredDate", "dateDedupeValue": "={{ $json.at }}"},
     "data.remember", {"operation": "above", "value": "{{ $json.at }}", "scope": "node"}),
    ("removeDuplicates", 2, {"operation": "clearDeduplicationHistory"},
     "data.remember", {"operation": "forget", "scope": "node"}),
    ("code", 2, {"jsCode": "return items;"}, "code.javascript", {"code": "return items;"}),
    ("code", 2, {"jsCode": "return $json;", "mode": "runOnceForEachItem"}, "code.javascript",
     {"code": "return $json;", "mode": "each_item"}),
    ("code", 2, {"language": "pythonNative", "pythonCode": "return _items"}, "code.python",
     {"code": "return _items"}),
    ("code", 2, {"language": "pythonNative", "mode": "runOnceForEachItem",
                 "pythonCode": "return _item"}, "code.python",
     {"code": "return _item", "mode": "each_item"}),
    ("httpRequest", 4.2,
     {"url": "={{ $json.url }}", "sendQuery": True, "options": {"timeout": 5000},
      "queryParameters": {"parameters": [
          {"name": "a", "value": "1"}, {"name": "a", "value": "=2"}]}},
     "http.request", {"method": "GET", "url": "{{ $json.url }}", "query": {"a": ["1", "2"]},
                      "timeout": 5.0}),
    ("httpRequest", 4.1,
     {"method": "POST", "url": "https://a.example", "sendBody": True, "specifyBody": "json",
      "jsonBody": "={{ $json }}", "sendHeaders": True, "specifyHeaders": "json",
      "jsonHeaders": "{\"x-a\": \"b\"}"},
     "http.request", {"method": "POST", "url": "https://a.example", "headers": {"x-a": "b"},
                      "body_kind": "json", "body": "{{ $json }}"}),
    ("httpRequest", 4.2,
     {"method": "POST", "url": "https://a.example", "sendBody": True,
      "contentType": "form-urlencoded",
      "bodyParameters": {"parameters": [{"name": "a", "value": "={{ $json.a }}"}]},
      "options": {"response": {"response": {"neverError": True, "responseFormat": "text"}},
                  "batching": {"batch": {"batchSize": 5, "batchInterval": 500}},
                  "redirect": {"redirect": {"followRedirects": False}}}},
     "http.request", {"method": "POST", "url": "https://a.example", "body_kind": "form",
                      "body": {"a": "{{ $json.a }}"}, "fail_on_status": False, "response": "text",
                      "batch_size": 5, "batch_pause": 0.5, "follow_redirects": False}),
    ("httpRequest", 1,
     {"requestMethod": "POST", "url": "https://a.example", "jsonParameters": True,
      "options": {"bodyContentType": "json", "splitIntoItems": True},
      "bodyParametersJson": "{\"a\": 1}"},
     "http.request", {"method": "POST", "url": "https://a.example", "body_kind": "json",
                      "body": {"a": 1}, "response": "json"}),
    ("graphql", 1, {"endpoint": "https://a.example/q", "requestMethod": "POST", "query": "{ a }"},
     "graphql.request", {"url": "https://a.example/q", "query": "{ a }", "items_path": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "version", "given", "ours", "parameters"), PLAIN)
def test_a_node_that_does_the_same_here(
    kind: str, version: float, given: JsonObject, ours: str, parameters: JsonObject
) -> None:
    made, told = mapped(kind, given, version)
    assert (made.type, made.parameters, told) == (ours, parameters, [])


PEOPLE: list[tuple[str, float, JsonObject, str, JsonObject]] = [
    ("formTrigger", 2.2,
     {"formTitle": "Write to us", "formFields": {"values": [
         {"fieldLabel": "Your name", "requiredField": True},
         {"fieldLabel": "Kind", "fieldType": "dropdown",
          "fieldOptions": {"values": [{"option": "a"}, {"option": "b"}]}}]}},
     "trigger.form",
     {"path": "form", "title": "Write to us", "response_mode": "at_once", "fields": [
         {"name": "Your_name", "required": True, "title": "Your name"},
         {"name": "Kind", "required": False, "title": "Kind", "choices": ["a", "b"]}]}),
    ("form", 1, {"formFields": {"values": [{"fieldLabel": "7 days", "fieldType": "number"}]}},
     "human.form", {"title": "Form", "fields": [
         {"name": "_7_days", "type": "number", "required": False, "title": "7 days"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "version", "given", "ours", "parameters"), PEOPLE)
def test_forms_keep_their_fields_under_names_that_expressions_can_say(
    kind: str, version: float, given: JsonObject, ours: str, parameters: JsonObject
) -> None:
    made, told = mapped(kind, given, version)
    assert (made.type, made.parameters) == (ours, parameters)
    assert "named in the item" in told[0]


@pytest.mark.parametrize(
    ("interval", "rule"),
    [
        ({}, {"unit": "days", "every": 1, "at": "00:00"}),
        ({"field": "cronExpression", "expression": "0 9 * * 1-5"}, {"cron": "0 9 * * 1-5"}),
        ({"field": "minutes", "minutesInterval": 15}, {"unit": "minutes", "every": 15}),
        ({"field": "hours", "triggerAtMinute": 30}, {"unit": "hours", "every": 1, "minute": 30}),
        ({"field": "weeks", "triggerAtDay": [1, 0], "triggerAtHour": 8},
         {"unit": "weeks", "every": 1, "weekdays": ["monday", "sunday"], "at": "08:00"}),
        ({"field": "months", "triggerAtDayOfMonth": 31, "triggerAtHour": 18},
         {"unit": "months", "every": 1, "day_of_month": 31, "at": "18:00"}),
    ],
)  # fmt: skip
def test_rhythms_of_the_clock(interval: JsonObject, rule: JsonObject) -> None:
    made, _ = mapped("scheduleTrigger", {"rule": {"interval": [interval]}}, 1.2)
    assert made.parameters == {"rules": [rule]}


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ({}, {"unit": "days", "at": "14:00"}),
        ({"mode": "everyWeek", "weekday": "0"}, {"unit": "weeks", "weekdays": ["sunday"],
                                                  "at": "14:00"}),
        ({"mode": "everyX", "unit": "minutes"}, {"unit": "minutes", "every": 2}),
        ({"mode": "custom", "cronExpression": "*/5 * * * *"}, {"cron": "*/5 * * * *"}),
    ],
)  # fmt: skip
def test_rhythms_of_the_older_clock(item: JsonObject, rule: JsonObject) -> None:
    made, _ = mapped("cron", {"triggerTimes": {"item": [item]}})
    assert made.parameters == {"rules": [rule]}


@pytest.mark.parametrize(
    ("parameters", "pages"),
    [
        ({"paginationMode": "responseContainsNextURL",
          "nextURL": "={{ $response.body.links.next }}"},
         {"kind": "next_url", "path": "links.next"}),
        ({"parameters": {"parameters": [{"name": "p", "value": "={{ $pageCount + 1 }}"}]}},
         {"kind": "page", "parameter": "p", "start": 1}),
        ({"parameters": {"parameters": [{"name": "c", "value": "={{ $response.body.cursor }}"}]},
          "limitPagesFetched": True, "maxRequests": 3},
         {"kind": "cursor", "parameter": "c", "path": "cursor", "max_pages": 3}),
    ],
)  # fmt: skip
def test_pages(parameters: JsonObject, pages: JsonObject) -> None:
    options = {"pagination": {"pagination": parameters}}
    made, told = mapped("httpRequest", {"url": "https://a.example", "options": options}, 4.2)
    assert made.parameters["pagination"] == pages
    assert told == ["Pages end with an empty one; name the list in the body as 'items_path'."]


def test_loops_have_their_outputs_where_their_version_had_them() -> None:
    assert mapped("splitInBatches", {}, 2)[0].outputs == ("loop", "done")
    assert mapped("splitInBatches", {}, 3)[0].outputs == ("done", "loop")


def test_an_old_switch_may_send_several_rules_one_way() -> None:
    rules = [{"value2": 1, "operation": "equal", "output": 1}, {"value2": 2, "output": 1}]
    given = {"value1": "={{ $json.a }}", "rules": {"rules": rules}, "fallbackOutput": 1}
    made, _ = mapped("switch", given)
    assert made.outputs == ((), ("case:0", "case:1", "fallback"), (), ())


def test_cases_have_the_names_that_people_gave_them() -> None:
    def rule(**more: Any) -> JsonObject:
        operator = {"type": "string", "operation": "notEmpty"}
        condition = {"leftValue": "={{ $json.a }}", "rightValue": "", "operator": operator}
        return {"conditions": {"conditions": [condition], "combinator": "and"}, **more}

    named = [rule(outputKey="Large"), rule(outputKey="Large"), rule(outputKey="a:b"), rule()]
    given = {"rules": {"values": named}, "options": {"fallbackOutput": "extra"}}
    made, _ = mapped("switch", given, 3.2)
    assert made.outputs == ("case:Large", "case:1", "case:2", "case:3", "fallback")


def test_conditions_of_none_are_always_met_and_one_of_none_never() -> None:
    for combinator, operator in (("and", "true"), ("or", "false")):
        given: JsonObject = {"conditions": {"conditions": [], "combinator": combinator}}
        made, _ = mapped("if", given, 2)
        assert made.parameters["conditions"][0]["operator"] == operator


def test_a_wait_for_a_call_goes_on_when_its_time_is_up() -> None:
    given = {"resume": "webhook", "limitWaitTime": True, "resumeAmount": 2, "resumeUnit": "minutes"}
    made, _ = mapped("wait", given, 1.1)
    assert made.parameters == {"mode": "callback", "timeout": 120}
    assert made.outputs == (("main", "timeout"),)


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("slack", {"resource": "star", "operation": "add"}, "star:add"),
        ("httpRequest", {"url": "a", "method": "={{ $json.m }}"}, "is an expression"),
        ("code", {"language": "python", "pythonCode": " "}, "no code"),
        ("wait", {"resume": "form"}, "resuming by 'form'"),
        ("if", {"conditions": {"conditions": [{"operator": {"type": "strange"}}]}}, "strange"),
        ("@n8n/n8n-nodes-langchain.chainLlm", {}, "No language model"),
    ],
)
def test_what_has_no_counterpart_says_why(kind: str, given: JsonObject, why: str) -> None:
    with pytest.raises(CannotMap, match=why):
        mapped(kind, given, 4)
