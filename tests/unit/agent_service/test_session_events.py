"""The events of a session: all of the contract's, each with a schema that says what it holds."""

import pytest

from shared.session_events import SESSION_EVENTS, SessionEventData

CONTRACT = [
    "turn.started", "stage.changed", "message.delta", "message.completed", "question.asked",
    "plan.proposed", "gap.found", "workflow.draft", "workflow.patch", "validation.report",
    "repair.started", "simulation.report", "workflow.saved", "usage", "error", "turn.completed",
]  # fmt: skip


def test_every_event_of_the_contract_is_there() -> None:
    assert list(SESSION_EVENTS) == CONTRACT


@pytest.mark.parametrize("event", SESSION_EVENTS.values(), ids=lambda event: event.type)
def test_every_field_is_described_and_nothing_else_is_taken(event: type[SessionEventData]) -> None:
    schema = event.model_json_schema()
    assert schema["additionalProperties"] is False
    for part in (schema, *schema.get("$defs", {}).values()):
        for field in part.get("properties", {}).values():
            assert field.get("description"), field
