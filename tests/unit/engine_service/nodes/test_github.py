"""`github.issue` and `github.api` against a repository on loopback."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine_service.nodes.github_api import GitHubApi
from engine_service.nodes.github_issue import GitHubIssue
from engine_service.sdk.node import Done, Effect, Failed, Outcome
from tests.support.connectors import Desk, credential, desk
from tests.support.http_server import Answer
from tests.support.run_node import jsons
from tests.support.vendors.github import TOKEN, FakeGitHub

ME = credential("github.token", {"token": TOKEN})
HELLO = {"owner": "octo", "repo": "hello"}


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub()


@pytest.fixture
async def office(github: FakeGitHub) -> AsyncIterator[Desk]:
    async with desk(github) as made:
        yield made


async def issue(office: Desk, operation: str, **fields: Any) -> Outcome:
    return await office.run(GitHubIssue, {"operation": operation, **HELLO, **fields}, ME)


async def api(office: Desk, operation: str, **fields: Any) -> Outcome:
    return await office.run(GitHubApi, {"operation": operation, **HELLO, **fields}, ME)


async def test_an_issue_is_opened_labelled_and_closed(office: Desk, github: FakeGitHub) -> None:
    [opened] = jsons(await issue(office, "create", title="It broke", body="Here.", labels=None))
    assert github.seen[-1].json() == {"title": "It broke", "body": "Here."}
    number = opened["number"]
    labels = jsons(await issue(office, "add_labels", number=number, labels=["bug", "needs more"]))
    assert labels == [{"name": "bug"}, {"name": "needs more"}]
    await issue(office, "remove_label", number=number, label="needs more")
    assert github.issues[0]["labels"] == [{"name": "bug"}]
    [closed] = jsons(await issue(office, "close", number=number, state_reason="not_planned"))
    assert (closed["state"], closed["state_reason"]) == ("closed", "not_planned")
    [read] = jsons(await issue(office, "get", number=number))
    assert read["title"] == "It broke"


async def test_a_list_follows_its_links(office: Desk, github: FakeGitHub) -> None:
    github.issues = [{"number": number} for number in range(1, 251)]
    numbers = [one["number"] for one in jsons(await issue(office, "list", limit=None))]
    assert numbers == [*range(1, 251)]
    assert [seen.query.get("page") for seen in github.seen] == [None, "2", "3"]
    assert len(jsons(await issue(office, "list", limit=3))) == 3
    assert github.seen[-1].query["per_page"] == "3"


async def test_a_refusal_tells_what_github_found(office: Desk) -> None:
    outcome = await office.run(
        GitHubApi, {"operation": "request", "method": "POST", "path": "/repos/octo/hello/issues",
                    "body": {}}, ME,
    )  # fmt: skip
    assert isinstance(outcome, Failed)
    assert outcome.code == "refused"
    assert outcome.message == "GitHub answered 422: Validation Failed: missing_field"


@pytest.mark.parametrize(
    ("headers", "message", "waits"),
    [
        ({"retry-after": "0"}, "You have exceeded a secondary rate limit.", True),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, "API limit", True),
        ({"x-ratelimit-remaining": "12"}, "Resource not accessible by integration", False),
    ],
)
async def test_github_tells_its_limits_by_403(
    office: Desk, github: FakeGitHub, headers: dict[str, str], message: str, waits: bool
) -> None:
    refusal = Answer.of_json({"message": message}, 403)
    refusal.headers.update(headers)
    github.spells = [refusal]
    outcome = await issue(office, "create", title="T")
    assert isinstance(outcome, Done) == waits
    if isinstance(outcome, Failed):
        assert (outcome.code, outcome.retryable) == ("forbidden", False)


async def test_a_limit_that_lasts_is_told_with_its_end(office: Desk, github: FakeGitHub) -> None:
    reset = int(time.time()) + 1_800
    refusal = Answer.of_json({"message": "API rate limit exceeded"}, 403)
    refusal.headers.update({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)})
    github.spells = [refusal]
    outcome = await issue(office, "list")
    assert isinstance(outcome, Failed)
    assert outcome.code == "rate_limited"
    assert outcome.retry_after is not None
    assert 1_700 < outcome.retry_after <= 1_800


async def test_a_wrong_token_is_told_as_such(office: Desk) -> None:
    stranger = credential("github.token", {"token": "ghp_wrong"})
    outcome = await office.run(GitHubIssue, {"operation": "list", **HELLO}, stranger)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("not_authenticated", False)


async def test_an_enterprise_server_is_where_the_credential_says(github: FakeGitHub) -> None:
    async with desk(github) as office:
        own = credential("github.token", {"token": TOKEN, "base_url": github.server.url})
        github.place = "https://elsewhere.example"
        [teams] = jsons(
            await office.run(GitHubApi, {"operation": "request", "path": "/orgs/octo/teams"}, own)
        )
    assert teams == {"slug": "octo"}


async def test_a_file_is_written_over_what_it_is_now(office: Desk, github: FakeGitHub) -> None:
    fields = {"path": "docs/a b.md", "message": "Write"}
    await api(office, "put_file", text="one", **fields)
    assert "sha" not in github.seen[-1].json()
    await api(office, "put_file", text="twelve ü", **fields)
    assert github.files == {"docs/a b.md": "twelve ü".encode()}
    [read] = jsons(await api(office, "get_file", path="docs/a b.md"))
    assert read["text"] == "twelve ü"
    github.files["docs/x.bin"] = b"\xff\0"
    [raw] = jsons(await api(office, "get_file", path="docs/x.bin"))
    assert raw["base64"] == "/wA="
    stale = await api(office, "put_file", text="x", sha="old", **fields)
    assert isinstance(stale, Failed)
    assert stale.code == "conflict"


async def test_a_workflow_is_started(office: Desk, github: FakeGitHub) -> None:
    inputs = {"version": "1"}
    outcome = await api(office, "dispatch_workflow", workflow="go.yml", ref="main", inputs=inputs)
    assert isinstance(outcome, Done)
    assert github.dispatched == [{"workflow": "go.yml", "ref": "main", "inputs": inputs}]


@pytest.mark.parametrize("repo", ["..", ".", ""])
async def test_no_value_leads_out_of_its_place(office: Desk, github: FakeGitHub, repo: str) -> None:
    outcome = await office.run(
        GitHubApi, {"operation": "get_file", "owner": "octo", "repo": repo or "hello",
                    "path": "../../../user" if not repo else "a"}, ME,
    )  # fmt: skip
    assert isinstance(outcome, Failed)
    assert outcome.code == "bad_request"
    assert github.seen == []


def test_a_request_is_as_safe_as_its_method() -> None:
    effects = [GitHubApi.effect_of({"operation": "request", "method": method})
               for method in ("GET", "DELETE", "POST", "{{ $json.m }}")]  # fmt: skip
    assert effects == [Effect.READ, Effect.KEYED, Effect.UNSAFE, Effect.UNSAFE]
