"""`flow.respond`: which statuses an answer may have."""

import pytest
from pydantic import ValidationError

from engine_service.nodes.flow_respond import RespondParameters


@pytest.mark.parametrize("status", [200, 204, 302, 404, 599])
def test_an_answer_ends_the_request(status: int) -> None:
    assert RespondParameters.model_validate({"status": status}).status == status


@pytest.mark.parametrize("status", [0, 99, 100, 101, 103, 199, 600])
def test_a_status_that_ends_no_request_is_refused(status: int) -> None:
    with pytest.raises(ValidationError):
        RespondParameters.model_validate({"status": status})
