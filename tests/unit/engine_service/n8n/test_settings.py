"""What can be set for any node, and for a workflow."""

from typing import Any

import pytest

from engine_service.n8n.document import read
from engine_service.n8n.fields import Fields
from engine_service.n8n.settings import node_settings, workflow_settings
from shared.workflow import NodeSettings, WorkflowSettings


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ({}, {}),
        ({"onError": "continueErrorOutput"}, {"on_error": "error_port"}),
        ({"onError": "continueRegularOutput"}, {"on_error": "continue"}),
        ({"continueOnFail": True}, {"on_error": "continue"}),
        ({"onError": "stopWorkflow", "continueOnFail": True}, {}),
        ({"alwaysOutputData": True, "executeOnce": True},
         {"always_output": True, "execute_once": True}),
        ({"retryOnFail": True},
         {"retry": {"max_attempts": 3, "backoff": 1.0, "max_delay": 1.0}}),
        ({"retryOnFail": True, "maxTries": 5, "waitBetweenTries": 250},
         {"retry": {"max_attempts": 5, "backoff": 0.25, "max_delay": 0.25}}),
        ({"retryOnFail": True, "maxTries": 1},
         {"retry": {"max_attempts": 2, "backoff": 1.0, "max_delay": 1.0}}),
    ],
)  # fmt: skip
def test_settings_of_a_node(written: Any, ours: Any) -> None:
    made = node_settings({"name": "A", "type": "b", **written}, Fields({}))
    assert made == ours
    NodeSettings.model_validate(made)


def test_what_is_not_known_is_named() -> None:
    fields = Fields({})
    node_settings({"name": "A", "type": "b", "novelty": 1, "color": "red"}, fields)
    assert fields.differences == ["Its setting 'novelty' was not carried over."]


def test_settings_of_a_workflow() -> None:
    given = {
        "timezone": "Europe/Berlin", "executionTimeout": 30, "errorWorkflow": "7", "novelty": True,
        "saveManualExecutions": True,
    }  # fmt: skip
    made, notes = workflow_settings(read({"nodes": [], "settings": given}))
    assert made == {"timezone": "Europe/Berlin", "timeout": 30}
    WorkflowSettings.model_validate(made)
    assert notes == [
        "Its error workflow '7' was not carried over: import that one, and name it in the setting "
        "'error_workflow'.",
        "The workflow's setting 'novelty' was not carried over.",
    ]


def test_no_time_zone_is_said() -> None:
    made, notes = workflow_settings(read({"nodes": [], "settings": {"timezone": "DEFAULT"}}))
    assert made == {}
    assert "here times are in UTC" in notes[0]
