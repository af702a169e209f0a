"""JSON ⇄ protobuf, in both directions."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gateway.routes.runs import RunMode
from gateway.shapes import Body
from gateway.wire import to_json, to_pb
from shared.errors import InvalidInput
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2, workflow_service_pb2


class Start(Body):
    version: int = 0
    input: Any = None
    mode: RunMode = RunMode.TEST


def test_only_what_a_body_says_is_set() -> None:
    assert to_pb(run_service_pb2.StartRunRequest, Start()) == run_service_pb2.StartRunRequest()
    said = to_pb(run_service_pb2.StartRunRequest, Start(version=2, mode=RunMode.TEST))
    assert (said.version, said.mode) == (2, run_pb2.RUN_MODE_TEST)


def test_fields_add_to_the_body_and_none_is_not_said() -> None:
    request = to_pb(
        run_service_pb2.StartRunRequest,
        Start(version=2),
        version=3,
        workflow_id="wf_1",
        wait=timedelta(seconds=1.5),
        input=None,
    )
    assert (request.version, request.workflow_id) == (3, "wf_1")
    assert request.wait.ToMilliseconds() == 1500
    assert not request.HasField("input")


@pytest.mark.parametrize("value", [{}, [], 0, "", {"a": 9007199254740993, "b": 1.0, "ä": None}])
def test_a_document_keeps_every_value_as_it_was(value: Any) -> None:
    request = to_pb(workflow_service_pb2.CreateWorkflowRequest, definition=value)
    assert orjson.loads(request.definition.json) == value
    told = orjson.loads(to_json(request))["definition"]
    assert (told, str(told)) == (value, str(value))


def test_an_empty_text_is_said_and_an_absent_one_is_not() -> None:
    emptied = to_pb(workflow_service_pb2.UpdateWorkflowRequest, name="")
    untouched = to_pb(workflow_service_pb2.UpdateWorkflowRequest, name=None)
    assert emptied.HasField("name")
    assert not untouched.HasField("name")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2**40),
        ("version", "three"),
        ("workflow_id", "lone \ud800 surrogate"),
        ("input", {"big": 2**70}),
        ("input", nested(2_000)),
    ],
)
def test_what_does_not_fit_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_pb(run_service_pb2.StartRunRequest, None, **{field: value})
    assert caught.value.violations[0].pointer == f"/{field}"


def test_every_field_is_told_by_its_own_name() -> None:
    run = run_pb2.Run(id="run_1", status=run_pb2.RUN_STATUS_WAITING, last_sequence=2**53)
    run.create_time.FromJsonString("2026-01-02T03:04:05.678901Z")
    run.output.json = b'{"a":\n1}'
    run.nodes.add(node_id="a", status=run_pb2.NODE_RUN_STATUS_SKIPPED)
    told = orjson.loads(to_json(run))
    assert list(told) == [field.name for field in run_pb2.Run.DESCRIPTOR.fields]
    assert (told["status"], told["mode"]) == ("waiting", None)
    assert told["create_time"] == "2026-01-02T03:04:05.678901Z"
    assert (told["start_time"], told["error"], told["input"]) == (None, None, None)
    assert told["output"] == {"a": 1}
    assert told["last_sequence"] == 2**53
    assert told["nodes"][0]["status"] == "skipped"
    assert told["nodes"][0]["outputs"] is None


def test_a_value_this_side_does_not_know_is_not_said() -> None:
    run = run_pb2.Run()
    run.MergeFromString(b"\x20\x63")  # status = 99
    assert orjson.loads(to_json(run))["status"] is None


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(-(2**31), 2**31 - 1),
)
def test_scalars_are_told_as_json_format_tells_them(
    similarity: float, title: str, version: int
) -> None:
    hit = knowledge_service_pb2.KnowledgeHit(similarity=similarity, title=title)
    run = run_pb2.Run(id=title, version=version)
    for message, names in ((hit, ("similarity", "title")), (run, ("id", "version"))):
        ours = orjson.loads(to_json(message))
        theirs = json_format.MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        assert [ours[name] for name in names] == [theirs[name] for name in names]


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9999])
def test_every_time_is_told(year: int) -> None:
    event = run_pb2.RunEvent()
    event.time.FromJsonString(f"{year:04d}-03-01T00:00:00.25Z")
    assert orjson.loads(to_json(event))["time"] == f"{year:04d}-03-01T00:00:00.250000Z"


def test_a_document_is_not_read_on_its_way() -> None:
    raw = b'{ "b" : 1.50, "a": 1e2 }'
    assert raw in to_json(run_pb2.Run(input=Document(json=raw)))
