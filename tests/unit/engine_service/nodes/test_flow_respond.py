"""`flow.respond`: which statuses an answer may have, and what becomes of bodies and headers."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine_service.nodes.flow_respond import FlowRespond, RespondParameters
from engine_service.sdk.node import Done
from tests.support.run_node import given, run_pure


@pytest.mark.parametrize("status", [200, 204, 302, 404, 599])
def test_an_answer_ends_the_request(status: int) -> None:
    assert RespondParameters.model_validate({"status": status}).status == status


@pytest.mark.parametrize("status", [0, 99, 100, 101, 103, 199, 600])
def test_a_status_that_ends_no_request_is_refused(status: int) -> None:
    with pytest.raises(ValidationError):
        RespondParameters.model_validate({"status": status})


@pytest.mark.parametrize(
    ("body", "sent"),
    [('{"a": [1]}', {"a": [1]}), ({"a": 1}, {"a": 1}), ("just text", "just text"), (None, None)],
)
def test_a_text_that_is_json_counts_as_what_it_says(body: Any, sent: Any) -> None:
    headers = {"X-Count": 3, "X-None": None}
    parameters = {"respond_with": "json", "body": body, "headers": headers}
    outcome = run_pure(FlowRespond, given(FlowRespond, parameters))
    assert isinstance(outcome, Done)
    assert outcome.response is not None
    assert outcome.response.body == sent
    assert outcome.response.headers == {"x-count": "3"}
