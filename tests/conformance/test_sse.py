"""What the gateway writes, read by the rules of browsers, which are checked first."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sse import encode
from shared.pb.flowloom.engine.v1 import run_pb2
from tests.support.event_stream import EventStreamReader

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "sse_parse.json"
if not DATA.exists():
    pytest.skip(f"the vectors are not here: {DATA}", allow_module_level=True)
ROWS: list[dict[str, Any]] = json.loads(DATA.read_text())
SIGNS = st.characters(exclude_categories=["Cs"])  # no lone surrogates, which UTF-8 cannot hold
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(SIGNS),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(SIGNS), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_reader_reads_as_browsers_do(row: dict[str, Any]) -> None:
    reader = EventStreamReader()
    read = [
        {"type": event.type, "data": event.data, "lastEventId": event.last_event_id}
        for event in reader.read(row["raw"].encode())
    ]
    assert read == row["events"]
    if "retry" in row:
        assert reader.retry == row["retry"]


@given(documents=st.lists(JSON, min_size=1, max_size=5), indent=st.booleans())
def test_every_document_arrives_as_it_was(documents: list[Any], indent: bool) -> None:
    option = orjson.OPT_INDENT_2 if indent else 0
    events = [
        run_pb2.RunEvent(run_id="run_1", sequence=number, type="node.completed")
        for number in range(1, len(documents) + 1)
    ]
    for event, document in zip(events, documents, strict=True):
        event.data.json = orjson.dumps(document, option=option)
    read = EventStreamReader().read(encode(events))
    assert [json.loads(event.data)["data"] for event in read] == documents
    assert [event.last_event_id for event in read] == [str(event.sequence) for event in events]
    assert {event.type for event in read} == {"node.completed"}
    assert all("\n" not in event.data for event in read)


def test_an_event_says_what_its_message_says() -> None:
    event = run_pb2.RunEvent(run_id="run_1", sequence=7, type="run.completed")
    event.time.FromJsonString("2026-01-01T00:00:00.5Z")
    event.data.json = b'{"a": 1}'
    [read] = EventStreamReader().read(encode([event]))
    assert json.loads(read.data) == {
        "run_id": "run_1",
        "sequence": 7,
        "type": "run.completed",
        "time": "2026-01-01T00:00:00.500000Z",
        "data": {"a": 1},
    }
