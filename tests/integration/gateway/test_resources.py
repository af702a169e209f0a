"""Every operation, from REST to the mesh and back."""

from typing import Any

import httpx2
import orjson
import pytest
from google.protobuf.message import Message

from shared.errors import Conflict, InvalidInput
from shared.pb.flowloom.agent.v1 import (
    knowledge_service_pb2,
    session_pb2,
    session_service_pb2,
)
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    approval_pb2,
    approval_service_pb2,
    node_type_pb2,
    node_type_service_pb2,
    run_pb2,
    run_service_pb2,
    simulation_service_pb2,
    trigger_pb2,
    trigger_service_pb2,
    usage_pb2,
    usage_service_pb2,
    version_service_pb2,
    workflow_pb2,
    workflow_service_pb2,
)
from tests.support.scripted_mesh import ScriptedMesh

DEFINITION: dict[str, Any] = {"nodes": [], "name": "Ä", "big": 9007199254740993, "float": 1.0}


def document(value: Any) -> Document:
    return Document(json=orjson.dumps(value))


WORKFLOW = workflow_pb2.Workflow(id="wf_1", etag="e1", definition=document(DEFINITION))
VERSION = workflow_pb2.Version(workflow_id="wf_1", number=2)
RUN = run_pb2.Run(id="run_1", status=run_pb2.RUN_STATUS_QUEUED, mode=run_pb2.RUN_MODE_LIVE)
SESSION = session_pb2.Session(id="ses_1", status=session_pb2.SESSION_STATUS_IDLE)
APPROVAL = approval_pb2.Approval(id="apr_1", status=approval_pb2.APPROVAL_STATUS_PENDING)
TRIGGER = trigger_pb2.Trigger(id="trg_1", path="t/hook")
BUDGET = usage_pb2.Budget(period=usage_pb2.BUDGET_PERIOD_DAY, max_tokens=9, used_tokens=3)
NODE_TYPE = node_type_pb2.NodeType(type="http.request")

# method, path, body → RPC, what it must be asked, what it answers; → status, what REST answers
OPERATIONS: list[tuple[str, str, Any, str, Message, Message, int, dict[str, Any]]] = [
    (
        *("POST", "/v1/workflows", {"name": "A", "definition": DEFINITION}, "CreateWorkflow"),
        workflow_service_pb2.CreateWorkflowRequest(name="A", definition=document(DEFINITION)),
        workflow_service_pb2.CreateWorkflowResponse(workflow=WORKFLOW),
        *(201, {"id": "wf_1", "definition": DEFINITION, "create_time": None}),
    ),
    (
        *("GET", "/v1/usage?first_day=2027-01-01&page_size=2", None, "ListUsage"),
        usage_service_pb2.ListUsageRequest(first_day="2027-01-01", page_size=2),
        usage_service_pb2.ListUsageResponse(days=[usage_pb2.DayUsage(day="2027-01-01", runs=3)]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("PUT", "/v1/budgets/day", {"max_tokens": 9, "max_cost_usd": "1.5"}, "SetBudget"),
        usage_service_pb2.SetBudgetRequest(
            period=usage_pb2.BUDGET_PERIOD_DAY, max_tokens=9, max_cost_usd="1.5"
        ),
        usage_service_pb2.SetBudgetResponse(budget=BUDGET),
        *(200, {"period": "day", "max_tokens": 9, "max_cost_usd": "", "used_tokens": 3}),
    ),
    (
        *("GET", "/v1/budgets", None, "ListBudgets"),
        usage_service_pb2.ListBudgetsRequest(),
        usage_service_pb2.ListBudgetsResponse(budgets=[BUDGET]),
        *(200, {}),
    ),
    (
        *("GET", "/v1/workflows?page_size=2&page_token=t&name_contains=x", None, "ListWorkflows"),
        workflow_service_pb2.ListWorkflowsRequest(page_size=2, page_token="t", name_contains="x"),
        workflow_service_pb2.ListWorkflowsResponse(workflows=[WORKFLOW], next_page_token="n"),
        *(200, {"next_page_token": "n"}),
    ),
    (
        *("GET", "/v1/workflows/wf_1", None, "GetWorkflow"),
        workflow_service_pb2.GetWorkflowRequest(workflow_id="wf_1"),
        workflow_service_pb2.GetWorkflowResponse(workflow=WORKFLOW),
        *(200, {"id": "wf_1", "etag": "e1"}),
    ),
    (
        *("PATCH", "/v1/workflows/wf_1", {"description": None, "name": "B"}, "UpdateWorkflow"),
        workflow_service_pb2.UpdateWorkflowRequest(workflow_id="wf_1", name="B", description=""),
        workflow_service_pb2.UpdateWorkflowResponse(workflow=WORKFLOW),
        *(200, {"id": "wf_1"}),
    ),
    (
        *("POST", "/v1/workflows:validate", {"definition": DEFINITION}, "ValidateWorkflow"),
        workflow_service_pb2.ValidateWorkflowRequest(definition=document(DEFINITION)),
        workflow_service_pb2.ValidateWorkflowResponse(
            diagnostics=[
                workflow_pb2.Diagnostic(pointer="/nodes", severity=workflow_pb2.SEVERITY_WARNING)
            ]
        ),
        *(200, {"valid": False}),
    ),
    (
        "POST",
        "/v1/workflows:simulate",
        {"definition": DEFINITION, "input": [{"json": {}}], "pinned": {"a": []}},
        "SimulateWorkflow",
        simulation_service_pb2.SimulateWorkflowRequest(
            definition=document(DEFINITION),
            input=document([{"json": {}}]),
            pinned=document({"a": []}),
        ),
        simulation_service_pb2.SimulateWorkflowResponse(status=run_pb2.RUN_STATUS_COMPLETED),
        *(200, {"status": "completed", "effects": []}),
    ),
    (
        *("POST", "/v1/workflows/wf_1:activate", {"version": 3}, "ActivateWorkflow"),
        workflow_service_pb2.ActivateWorkflowRequest(workflow_id="wf_1", version=3),
        workflow_service_pb2.ActivateWorkflowResponse(workflow=WORKFLOW),
        *(200, {"id": "wf_1"}),
    ),
    (
        *("POST", "/v1/workflows/wf_1:deactivate", {}, "DeactivateWorkflow"),
        workflow_service_pb2.DeactivateWorkflowRequest(workflow_id="wf_1"),
        workflow_service_pb2.DeactivateWorkflowResponse(workflow=WORKFLOW),
        *(200, {"id": "wf_1"}),
    ),
    (
        *("GET", "/v1/workflows/wf_1/versions?page_size=1", None, "ListVersions"),
        version_service_pb2.ListVersionsRequest(workflow_id="wf_1", page_size=1),
        version_service_pb2.ListVersionsResponse(versions=[VERSION]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("GET", "/v1/workflows/wf_1/versions/2", None, "GetVersion"),
        version_service_pb2.GetVersionRequest(workflow_id="wf_1", number=2),
        version_service_pb2.GetVersionResponse(version=VERSION),
        *(200, {"number": 2}),
    ),
    (
        *("GET", "/v1/workflows/wf_1/versions/2:diff?against=1", None, "DiffVersions"),
        version_service_pb2.DiffVersionsRequest(workflow_id="wf_1", number=2, against=1),
        version_service_pb2.DiffVersionsResponse(patch=document([{"op": "add"}])),
        *(200, {"patch": [{"op": "add"}]}),
    ),
    (
        *("POST", "/v1/workflows/wf_1/versions/2:restore", None, "RestoreVersion"),
        version_service_pb2.RestoreVersionRequest(workflow_id="wf_1", number=2),
        version_service_pb2.RestoreVersionResponse(workflow=WORKFLOW),
        *(200, {"id": "wf_1"}),
    ),
    (
        *("POST", "/v1/workflows/wf_1:run", {"input": {"a": 1}, "mode": "test"}, "StartRun"),
        run_service_pb2.StartRunRequest(
            workflow_id="wf_1", input=document({"a": 1}), mode=run_pb2.RUN_MODE_TEST
        ),
        run_service_pb2.StartRunResponse(run=RUN),
        *(202, {"id": "run_1", "status": "queued", "mode": "live", "error": None}),
    ),
    (
        *("GET", "/v1/runs?workflow_id=wf_1&status=failed", None, "ListRuns"),
        run_service_pb2.ListRunsRequest(workflow_id="wf_1", status=run_pb2.RUN_STATUS_FAILED),
        run_service_pb2.ListRunsResponse(runs=[RUN]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("GET", "/v1/runs/run_1?view=full", None, "GetRun"),
        run_service_pb2.GetRunRequest(run_id="run_1", view=run_service_pb2.RUN_VIEW_FULL),
        run_service_pb2.GetRunResponse(run=RUN),
        *(200, {"id": "run_1", "nodes": []}),
    ),
    (
        *("POST", "/v1/runs/run_1:cancel", {"reason": "no"}, "CancelRun"),
        run_service_pb2.CancelRunRequest(run_id="run_1", reason="no"),
        run_service_pb2.CancelRunResponse(run=RUN),
        *(200, {"id": "run_1"}),
    ),
    (
        *("POST", "/v1/runs/run_1:rerun", {"from_node": "a", "definition": "latest"}, "RerunFrom"),
        run_service_pb2.RerunFromRequest(
            run_id="run_1",
            from_node="a",
            definition=run_service_pb2.RERUN_DEFINITION_LATEST,
        ),
        run_service_pb2.RerunFromResponse(run=RUN),
        *(202, {"id": "run_1"}),
    ),
    (
        *("POST", "/v1/runs/run_1:retry", None, "RetryRun"),
        run_service_pb2.RetryRunRequest(run_id="run_1"),
        run_service_pb2.RetryRunResponse(run=RUN),
        *(202, {"id": "run_1"}),
    ),
    (
        *("POST", "/v1/sessions", {"mode": "edit", "workflow_id": "wf_1"}, "CreateSession"),
        session_service_pb2.CreateSessionRequest(
            mode=session_pb2.SESSION_MODE_EDIT, workflow_id="wf_1"
        ),
        session_service_pb2.CreateSessionResponse(session=SESSION),
        *(201, {"id": "ses_1", "status": "idle", "mode": None}),
    ),
    (
        *("GET", "/v1/sessions", None, "ListSessions"),
        session_service_pb2.ListSessionsRequest(),
        session_service_pb2.ListSessionsResponse(sessions=[SESSION]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("GET", "/v1/sessions/ses_1", None, "GetSession"),
        session_service_pb2.GetSessionRequest(session_id="ses_1"),
        session_service_pb2.GetSessionResponse(session=SESSION),
        *(200, {"id": "ses_1"}),
    ),
    (
        *("PATCH", "/v1/sessions/ses_1", {"title": "T"}, "UpdateSession"),
        session_service_pb2.UpdateSessionRequest(session_id="ses_1", title="T"),
        session_service_pb2.UpdateSessionResponse(session=SESSION),
        *(200, {"id": "ses_1"}),
    ),
    (
        *("POST", "/v1/sessions/ses_1:cancel", None, "CancelTurn"),
        session_service_pb2.CancelTurnRequest(session_id="ses_1"),
        session_service_pb2.CancelTurnResponse(session=SESSION),
        *(200, {"id": "ses_1"}),
    ),
    (
        *("GET", "/v1/sessions/ses_1/messages?page_size=3", None, "ListMessages"),
        session_service_pb2.ListMessagesRequest(session_id="ses_1", page_size=3),
        session_service_pb2.ListMessagesResponse(
            messages=[session_pb2.Message(id="msg_1", author=session_pb2.AUTHOR_USER)]
        ),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("GET", "/v1/approvals?status=pending&run_id=run_1", None, "ListApprovals"),
        approval_service_pb2.ListApprovalsRequest(
            status=approval_pb2.APPROVAL_STATUS_PENDING, run_id="run_1"
        ),
        approval_service_pb2.ListApprovalsResponse(approvals=[APPROVAL]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("GET", "/v1/approvals/apr_1", None, "GetApproval"),
        approval_service_pb2.GetApprovalRequest(approval_id="apr_1"),
        approval_service_pb2.GetApprovalResponse(approval=APPROVAL),
        *(200, {"id": "apr_1", "status": "pending"}),
    ),
    (
        "POST",
        "/v1/approvals/apr_1:answer",
        {"decision": "approve", "comment": "ok", "form": {"a": 1}},
        "AnswerApproval",
        approval_service_pb2.AnswerApprovalRequest(
            approval_id="apr_1",
            decision=approval_pb2.DECISION_APPROVE,
            comment="ok",
            form=document({"a": 1}),
        ),
        approval_service_pb2.AnswerApprovalResponse(approval=APPROVAL),
        *(200, {"id": "apr_1"}),
    ),
    (
        *("GET", "/v1/triggers?workflow_id=wf_1", None, "ListTriggers"),
        trigger_service_pb2.ListTriggersRequest(workflow_id="wf_1"),
        trigger_service_pb2.ListTriggersResponse(triggers=[TRIGGER]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("GET", "/v1/triggers/trg_1", None, "GetTrigger"),
        trigger_service_pb2.GetTriggerRequest(trigger_id="trg_1"),
        trigger_service_pb2.GetTriggerResponse(trigger=TRIGGER),
        *(200, {"id": "trg_1", "path": "t/hook", "next_fire_time": None}),
    ),
    (
        *("POST", "/v1/triggers/trg_1:test", {"event": {"a": 1}}, "TestTrigger"),
        trigger_service_pb2.TestTriggerRequest(trigger_id="trg_1", event=document({"a": 1})),
        trigger_service_pb2.TestTriggerResponse(run=RUN),
        *(202, {"id": "run_1"}),
    ),
    (
        *("GET", "/v1/node-types?family=flow", None, "ListNodeTypes"),
        node_type_service_pb2.ListNodeTypesRequest(family="flow"),
        node_type_service_pb2.ListNodeTypesResponse(node_types=[NODE_TYPE]),
        *(200, {}),
    ),
    (
        *("GET", "/v1/node-types/http.request", None, "GetNodeType"),
        node_type_service_pb2.GetNodeTypeRequest(type="http.request"),
        node_type_service_pb2.GetNodeTypeResponse(node_type=NODE_TYPE),
        *(200, {"type": "http.request", "effect": None}),
    ),
    (
        *("GET", "/v1/node-types:search?query=mail&limit=2", None, "SearchKnowledge"),
        knowledge_service_pb2.SearchKnowledgeRequest(query="mail", limit=2, kind="node"),
        knowledge_service_pb2.SearchKnowledgeResponse(lexical_only=True),
        *(200, {"hits": [], "lexical_only": True}),
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "rpc", "asked", "answered", "status", "told"),
    OPERATIONS,
    ids=[operation[3] for operation in OPERATIONS],
)
async def test_an_operation_asks_its_rpc_and_tells_the_answer(
    ada: httpx2.AsyncClient,
    mesh: ScriptedMesh,
    method: str,
    path: str,
    body: Any,
    rpc: str,
    asked: Message,
    answered: Message,
    status: int,
    told: dict[str, Any],
) -> None:
    mesh.on(rpc, answered)
    answer = await ada.request(method, path, **({} if body is None else {"json": body}))
    assert answer.status_code == status, answer.text
    assert mesh.only(rpc).request == asked
    assert answer.json() == answer.json() | told


@pytest.mark.parametrize(
    ("path", "rpc", "asked"),
    [
        (
            "/v1/workflows/wf_1",
            "DeleteWorkflow",
            workflow_service_pb2.DeleteWorkflowRequest(workflow_id="wf_1", etag="e1"),
        ),
        (
            "/v1/sessions/ses_1",
            "DeleteSession",
            session_service_pb2.DeleteSessionRequest(session_id="ses_1"),
        ),
        (
            *("/v1/budgets/month", "DeleteBudget"),
            usage_service_pb2.DeleteBudgetRequest(period=usage_pb2.BUDGET_PERIOD_MONTH),
        ),
    ],
)
async def test_deleting_answers_nothing(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, path: str, rpc: str, asked: Message
) -> None:
    answer = await ada.delete(path, headers={"if-match": '"e1"'})
    assert (answer.status_code, answer.content) == (204, b"")
    assert mesh.only(rpc).request == asked


async def test_the_caller_the_request_id_and_the_trace_go_along(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-request-id": "req-7", "traceparent": trace}
    answer = await ada.get("/v1/runs/run_1", headers=headers)
    seen = mesh.only("GetRun").call
    user = (await ada.get("/auth/v1/user")).json()
    assert seen.principal is not None
    assert (seen.principal.subject, seen.principal.tenant_id) == (user["id"], user["id"])
    assert (seen.principal.role, seen.principal.email) == ("owner", user["email"])
    assert (seen.request_id, seen.traceparent) == ("req-7", trace)
    assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("req-7", trace)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-request-id", "two\twords"),
        ("x-request-id", "x" * 200),
        ("traceparent", "00-" + "0" * 32 + "-b7ad6b7169203331-01"),
        ("traceparent", "nonsense"),
    ],
)
async def test_a_bad_id_or_trace_is_replaced(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, name: str, value: str
) -> None:
    answer = await ada.get("/v1/runs/run_1", headers={name: value})
    assert answer.headers[name]
    assert answer.headers[name] != value
    seen = mesh.only("GetRun").call
    assert answer.headers[name] in (seen.request_id, seen.traceparent)


async def test_an_etag_is_told_and_guards_an_update(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("GetWorkflow", workflow_service_pb2.GetWorkflowResponse(workflow=WORKFLOW))
    etag = (await ada.get("/v1/workflows/wf_1")).headers["etag"]
    mesh.on("UpdateWorkflow", Conflict("Somebody was quicker.", reason="ETAG_MISMATCH"))
    answer = await ada.patch("/v1/workflows/wf_1", json={"name": "B"}, headers={"if-match": etag})
    assert mesh.only("UpdateWorkflow").request.etag == "e1"
    assert (answer.status_code, answer.json()["code"]) == (412, "ETAG_MISMATCH")


async def test_a_patch_merges_into_the_definition(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    stored = {"name": "A", "nodes": [{"id": "a"}], "settings": {"timezone": "UTC", "timeout": 5}}
    workflow = workflow_pb2.Workflow(id="wf_1", etag="e1", definition=document(stored))
    mesh.on("GetWorkflow", workflow_service_pb2.GetWorkflowResponse(workflow=workflow))
    patch = {"definition": {"name": None, "settings": {"timezone": "Europe/Berlin"}}}
    answer = await ada.patch(
        "/v1/workflows/wf_1",
        content=orjson.dumps(patch),
        headers={"content-type": "application/merge-patch+json"},
    )
    assert answer.status_code == 200, answer.text
    request = mesh.only("UpdateWorkflow").request
    assert orjson.loads(request.definition.json) == {
        "nodes": [{"id": "a"}],
        "settings": {"timezone": "Europe/Berlin", "timeout": 5},
    }
    assert request.etag == "e1", "the merge holds only for what was read"
    assert not request.HasField("name")


async def test_a_merge_that_loses_a_race_is_done_again(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    etags = iter(["e1", "e2"])

    def read(_: Any) -> Message:
        workflow = workflow_pb2.Workflow(etag=next(etags), definition=document({}))
        return workflow_service_pb2.GetWorkflowResponse(workflow=workflow)

    def write(request: Any) -> Message:
        if request.etag == "e1":
            raise Conflict("Somebody was quicker.", reason="ETAG_MISMATCH")
        return workflow_service_pb2.UpdateWorkflowResponse(workflow=WORKFLOW)

    mesh.on("GetWorkflow", read)
    mesh.on("UpdateWorkflow", write)
    answer = await ada.patch("/v1/workflows/wf_1", json={"definition": {"name": "B"}})
    assert answer.status_code == 200, answer.text
    assert mesh.count("UpdateWorkflow") == 2


async def test_a_run_that_ends_within_the_wait_is_answered_as_done(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    done = run_pb2.Run(id="run_1", status=run_pb2.RUN_STATUS_COMPLETED)
    mesh.on("StartRun", run_service_pb2.StartRunResponse(run=done))
    answer = await ada.post("/v1/workflows/wf_1:run?wait=2.5s")
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert mesh.only("StartRun").request.wait.ToMilliseconds() == 2500


async def test_validate_only_stores_nothing_and_says_200(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    answer = await ada.post("/v1/workflows?validate_only=true", json={"definition": {}})
    assert answer.status_code == 200
    assert mesh.only("CreateWorkflow").request.validate_only is True


@pytest.mark.parametrize(
    ("verb", "rpc"), [("validate", "ValidateWorkflow"), ("simulate", "SimulateWorkflow")]
)
async def test_a_stored_workflow_is_checked_by_its_id(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, verb: str, rpc: str
) -> None:
    mesh.on("GetWorkflow", workflow_service_pb2.GetWorkflowResponse(workflow=WORKFLOW))
    answer = await ada.post(f"/v1/workflows/wf_1:{verb}")
    assert answer.status_code == 200, answer.text
    assert mesh.only(rpc).request.definition == WORKFLOW.definition


async def test_what_a_service_finds_wrong_reaches_the_caller(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    refusal = InvalidInput("No.", reason="MALFORMED_DEFINITION")
    mesh.on("CreateWorkflow", refusal)
    answer = await ada.post("/v1/workflows", json={"definition": {}})
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_DEFINITION")
