"""The page of a signed link: what it shows, what it sends on, and what it never does."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from shared.errors import Conflict, InvalidInput, NotFound, Unavailable, Violation
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import approval_pb2
from shared.pb.flowloom.engine.v1.approval_service_pb2 import (
    AnswerApprovalLinkResponse,
    OpenApprovalLinkResponse,
)
from tests.support.scripted_mesh import ScriptedMesh

LINK = "/v1/answers/a.b.c"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "title": "How much?", "description": "In euros"},
        "unit": {"type": "string", "enum": ["day", "week"]},
        "tags": {"type": ["array", "null"], "items": {"enum": ["new", "vip"]}},
        "sure": {"type": "boolean"},
        "due": {"type": "string", "format": "date"},
        "note": {"type": ["string", "null"], "format": "multiline", "default": "</textarea><b>"},
    },
    "required": ["amount", "unit", "sure", "due"],
}


def opened(**fields: Any) -> OpenApprovalLinkResponse:
    values: dict[str, Any] = {
        "id": "apr_1",
        "title": "May I?",
        "message": "Total: **5**",
        "status": approval_pb2.APPROVAL_STATUS_PENDING,
        "kind": approval_pb2.APPROVAL_KIND_APPROVAL,
        **fields,
    }
    pending = values["status"] == approval_pb2.APPROVAL_STATUS_PENDING
    return OpenApprovalLinkResponse(
        approval=approval_pb2.Approval(**values),
        approver="lead@example.com",
        ticket="the-ticket" if pending else "",
    )


async def send(anybody: httpx2.AsyncClient, *pairs: tuple[str, str], **headers: str) -> Any:
    kind = {"content-type": "application/x-www-form-urlencoded", **headers}
    return await anybody.post(LINK, content=urlencode(pairs), headers=kind)


async def test_opening_a_link_asks_and_decides_nothing(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("OpenApprovalLink", opened())
    answer = await anybody.get(LINK)
    assert answer.status_code == 200
    assert "<h1>May I?</h1>" in answer.text
    assert "<strong>5</strong>" in answer.text
    assert 'name="ticket" value="the-ticket"' in answer.text
    assert 'value="approve"' in answer.text
    assert mesh.only("OpenApprovalLink").request.token == "a.b.c"
    assert mesh.count("AnswerApprovalLink") == 0
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_but_the_form_decides(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, method: str
) -> None:
    mesh.on("OpenApprovalLink", opened())
    await anybody.request(method, f"{LINK}?decision=approve&ticket=the-ticket")
    await anybody.get(f"{LINK}?decision=approve&ticket=the-ticket")
    assert mesh.count("AnswerApprovalLink") == 0


async def test_what_people_wrote_is_shown_and_never_run(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string", "title": EVIL, "description": EVIL, "enum": [EVIL]}},
        "required": ["x"],
    }
    evil = f"{EVIL} [a](javascript:alert(3)) ![i](http://127.0.0.1/pixel)"
    mesh.on(
        "OpenApprovalLink",
        opened(title=EVIL, message=evil, form_schema=Document(json=json.dumps(schema).encode())),
    )
    text = (await anybody.get(LINK)).text
    assert not re.search(r"<(script|img|iframe|svg)", text)
    assert 'href="javascript' not in text
    assert text.count("&lt;script&gt;") >= 5


async def test_a_form_has_labels_and_the_right_inputs(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("OpenApprovalLink", opened(form_schema=Document(json=json.dumps(SCHEMA).encode())))
    text = (await anybody.get(LINK)).text
    assert '<html lang="en">' in text
    assert '<label for="field-amount">How much?' in text
    assert 'type="text" id="field-amount"' in text
    assert 'aria-describedby="field-amount-hint"' in text
    assert text.count('type="radio"') == 2
    assert text.count('name="field.tags"') == 2
    assert 'type="date" id="field-due"' in text
    assert "&lt;/textarea&gt;&lt;b&gt;</textarea>" in text
    for kind in ("input", "textarea"):
        ids = re.findall(rf'<{kind}[^>]* id="([^"]+)"', text)
        assert all(f'for="{one}"' in text or "checkbox" in text for one in ids)


async def test_an_answer_goes_to_the_engine_as_it_was_filled_in(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    done = approval_pb2.Approval(title="May I?", status=approval_pb2.APPROVAL_STATUS_APPROVED)
    mesh.on("AnswerApprovalLink", AnswerApprovalLinkResponse(approval=done))
    answer = await send(
        anybody,
        ("ticket", "the-ticket"),
        ("decision", "approve"),
        ("comment", "fine"),
        ("field.tags", "new"),
        ("field.tags", "vip"),
    )
    assert answer.status_code == 200
    assert "Thank you" in answer.text
    seen = mesh.only("AnswerApprovalLink")
    assert (seen.request.token, seen.request.ticket) == ("a.b.c", "the-ticket")
    assert seen.request.decision == approval_pb2.DECISION_APPROVE
    assert seen.request.comment == "fine"
    assert json.loads(seen.request.fields.json) == {"tags": ["new", "vip"]}
    assert seen.call.principal is not None
    assert (seen.call.principal.tenant_id, seen.call.principal.role) == ("", "viewer")


@pytest.mark.parametrize("decision", ["", "yes", "Approve", "approve "])
async def test_only_an_explicit_decision_is_one(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, decision: str
) -> None:
    mesh.on("OpenApprovalLink", opened())
    mesh.on("AnswerApprovalLink", InvalidInput("The answer holds no decision."))
    answer = await send(anybody, ("ticket", "t"), ("decision", decision), ("comment", "approve"))
    assert answer.status_code == 422
    sent = mesh.only("AnswerApprovalLink").request.decision
    assert sent == approval_pb2.DECISION_UNSPECIFIED


async def test_two_decisions_are_none(anybody: httpx2.AsyncClient, mesh: ScriptedMesh) -> None:
    await send(anybody, ("decision", "reject"), ("decision", "approve"), ("ticket", "t"))
    sent = mesh.only("AnswerApprovalLink").request.decision
    assert sent == approval_pb2.DECISION_UNSPECIFIED


async def test_what_does_not_fit_comes_back_with_what_was_filled_in(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("OpenApprovalLink", opened(form_schema=Document(json=json.dumps(SCHEMA).encode())))
    wrong = [
        Violation("/form/amount", "type", "'much' is not of type 'number'"),
        Violation("/form", "required", "'due' is a required property"),
    ]
    error = InvalidInput("It does not fit.", reason="FORM_INVALID", violations=wrong)
    mesh.on("AnswerApprovalLink", error)
    answer = await send(anybody, ("decision", "approve"), ("field.amount", EVIL), ("comment", EVIL))
    assert answer.status_code == 422
    assert "<title>Error: May I?</title>" in answer.text
    assert 'role="alert"' in answer.text
    assert '<a href="#field-amount">' in answer.text
    assert '<a href="#field-due">' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotFound("no", reason="LINK_NOT_FOUND"), 404, "There is nothing here"),
        (Conflict("no", reason="LINK_EXPIRED"), 410, "The time to answer is over"),
        (Conflict("no", reason="LINK_VOID"), 410, "Somebody else"),
        (Conflict("no", reason="ALREADY_ANSWERED"), 409, "answered already"),
        (Unavailable("no"), 503, "at the moment"),
    ],
)
async def test_a_link_that_leads_nowhere_is_explained(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, error: Exception, status: int, said: str
) -> None:
    mesh.on("OpenApprovalLink", error)
    mesh.on("AnswerApprovalLink", error)
    for answer in (await anybody.get(LINK), await send(anybody, ("decision", "approve"))):
        assert answer.status_code == status
        assert said in answer.text
        assert answer.headers["content-type"].startswith("text/html")


async def test_an_answered_question_says_how_it_ended(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    status = approval_pb2.APPROVAL_STATUS_REJECTED
    mesh.on("OpenApprovalLink", opened(status=status, answered_by="<b>eve"))
    answer = await anybody.get(LINK)
    assert "It was rejected by &lt;b&gt;eve" in answer.text
    assert "<form" not in answer.text


async def test_other_sites_and_other_bodies_answer_nothing(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    cross = await send(anybody, ("decision", "approve"), **{"sec-fetch-site": "cross-site"})
    assert cross.status_code == 403
    json_body = await anybody.post(LINK, json={"decision": "approve"})
    assert json_body.status_code == 400
    huge = await anybody.post(LINK, content=b"x" * 11 * 1024 * 1024)
    assert huge.status_code == 413
    many = await send(anybody, *[(f"field.f{n}", "") for n in range(1_000)])
    assert many.status_code == 400
    assert mesh.count("AnswerApprovalLink") == 0
