"""`github.issue`: opens, reads, changes and discusses issues on GitHub."""

from typing import ClassVar, Literal

from pydantic import Field

from engine_service.connectors.connector import Connector
from engine_service.connectors.github import GITHUB, PAGES
from engine_service.connectors.operation import OPERATION, Call, Choice, Listing, Operation
from engine_service.sdk.node import Effect
from shared.workflow import JsonObject

_ISSUES = "/repos/{owner}/{repo}/issues"
_ISSUE = f"{_ISSUES}/{{number}}"
_SAMPLE: JsonObject = {
    "number": 1347, "title": "Found a bug", "state": "open", "body": "It does not work.",
    "html_url": "https://github.com/octo/hello/issues/1347", "user": {"login": "octo"},
    "labels": [{"name": "bug"}], "created_at": "2026-03-02T09:00:00Z",
}  # fmt: skip
_COMMENT: JsonObject = {
    "id": 1, "body": "Me too.", "user": {"login": "octo"}, "created_at": "2026-03-02T09:00:00Z",
}  # fmt: skip
_LABELS = Field(default=None, max_length=100, description="Labels, by name")
_ASSIGNEES = Field(default=None, max_length=10, description="Who takes care of it, by login")


class _InRepository(Operation):
    """Whose repository, and which."""

    owner: str = Field(min_length=1, description="The repository's owner: a login")
    repo: str = Field(min_length=1, description="The repository's name")


class _OfIssue(_InRepository):
    """Which issue."""

    number: int = Field(ge=1, description="The issue's number")


class CreateIssue(_InRepository):
    """Opens an issue."""

    operation: Literal["create"] = OPERATION
    title: str = Field(min_length=1, max_length=1_000, description="What it is about")
    body: str | None = Field(default=None, max_length=65_536, description="The text, as Markdown")
    labels: list[str] | None = _LABELS
    assignees: list[str] | None = _ASSIGNEES
    milestone: int | None = Field(default=None, description="The number of a milestone")
    call = Call("POST", _ISSUES)
    sample = _SAMPLE


class GetIssue(_OfIssue):
    """Reads an issue."""

    operation: Literal["get"] = OPERATION
    call = Call("GET", _ISSUE, Effect.READ)
    sample = _SAMPLE


class ListIssues(Listing, _InRepository):
    """Lists the issues of a repository, newest first; pull requests are issues too."""

    operation: Literal["list"] = OPERATION
    state: Literal["open", "closed", "all"] = Field(default="open", description="Which ones")
    labels: str | None = Field(default=None, description="Only with these labels, by commas")
    assignee: str | None = Field(default=None, description="Only of this login; `none`, `*`")
    creator: str | None = Field(default=None, description="Only opened by this login")
    since: str | None = Field(default=None, description="Only changed since this ISO time")
    sort: Literal["created", "updated", "comments"] | None = Field(
        default=None, description="By what they are sorted"
    )
    direction: Literal["asc", "desc"] | None = Field(default=None, description="Which way")
    call = Call("GET", _ISSUES, Effect.READ, pages=PAGES)
    sample = _SAMPLE


class UpdateIssue(_OfIssue):
    """Changes an issue; what is not given stays as it is."""

    operation: Literal["update"] = OPERATION
    title: str | None = Field(default=None, min_length=1, description="What it is about")
    body: str | None = Field(default=None, max_length=65_536, description="The text, as Markdown")
    state: Literal["open", "closed"] | None = Field(default=None, description="Open or closed")
    labels: list[str] | None = Field(default=None, description="Its labels, all of them")
    assignees: list[str] | None = _ASSIGNEES
    milestone: int | None = Field(default=None, description="The number of a milestone")
    call = Call("PATCH", _ISSUE, Effect.KEYED)
    sample = _SAMPLE


class CloseIssue(_OfIssue):
    """Closes an issue."""

    operation: Literal["close"] = OPERATION
    state_reason: Literal["completed", "not_planned", "duplicate"] = Field(
        default="completed", description="Why"
    )
    call = Call("PATCH", _ISSUE, Effect.KEYED, fixed={"state": "closed"})
    sample: ClassVar[JsonObject] = {**_SAMPLE, "state": "closed"}


class Comment(_OfIssue):
    """Writes a comment on an issue or a pull request."""

    operation: Literal["comment"] = OPERATION
    body: str = Field(min_length=1, max_length=65_536, description="The text, as Markdown")
    call = Call("POST", f"{_ISSUE}/comments")
    sample = _COMMENT


class ListComments(Listing, _OfIssue):
    """Reads the comments on an issue, oldest first."""

    operation: Literal["comments"] = OPERATION
    since: str | None = Field(default=None, description="Only changed since this ISO time")
    call = Call("GET", f"{_ISSUE}/comments", Effect.READ, pages=PAGES)
    sample = _COMMENT


class AddLabels(_OfIssue):
    """Adds labels to an issue; gives all that it has then."""

    operation: Literal["add_labels"] = OPERATION
    labels: list[str] = Field(min_length=1, max_length=100, description="Labels, by name")
    call = Call("POST", f"{_ISSUE}/labels", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"name": "bug", "color": "d73a4a"}


class RemoveLabel(_OfIssue):
    """Takes a label off an issue; gives those that stay."""

    operation: Literal["remove_label"] = OPERATION
    label: str = Field(min_length=1, description="The label's name")
    call = Call("DELETE", f"{_ISSUE}/labels/{{label}}", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"name": "bug", "color": "d73a4a"}


class AddAssignees(_OfIssue):
    """Has people take care of an issue, beside those who do."""

    operation: Literal["assign"] = OPERATION
    assignees: list[str] = Field(min_length=1, max_length=10, description="Who, by login")
    call = Call("POST", f"{_ISSUE}/assignees", Effect.KEYED)
    sample = _SAMPLE


class LockIssue(_OfIssue):
    """Ends the discussion of an issue."""

    operation: Literal["lock"] = OPERATION
    lock_reason: Literal["off-topic", "too heated", "resolved", "spam"] = Field(
        default="resolved", description="Why"
    )
    call = Call("PUT", f"{_ISSUE}/lock", Effect.KEYED)
    sample: ClassVar[JsonObject] = {}


class IssueParameters(Choice):
    """What to do with issues."""

    operations = (
        CreateIssue, GetIssue, ListIssues, UpdateIssue, CloseIssue, Comment, ListComments,
        AddLabels, RemoveLabel, AddAssignees, LockIssue,
    )  # fmt: skip


class GitHubIssue(Connector):
    """Opens, reads, changes, labels, discusses and closes issues on GitHub.

    `operation` says what to do: `create`, `get`, `list`, `update`, `close`, `comment`, `comments`,
    `add_labels`, `remove_label`, `assign`, `lock`. Fields are called as in GitHub's API; lists
    give one item per member, from as many pages as `limit` takes.

    The credential is a `github.token`, which also says where GitHub Enterprise is, if it is that.
    Refusals fail the item as `not_authenticated`, `forbidden`, `not_found`, `conflict`, `refused`
    (with GitHub's words) or `rate_limited`; short limits are waited out. An issue or comment whose
    fate is not known after a lost connection is not written twice.
    """

    Parameters = IssueParameters
    vendor = GITHUB
    type = "github.issue"
    title = "GitHub issue"
    credential_types = GITHUB.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "create", "owner": "octo", "repo": "hello", "title": "{{ $json.subject }}",
         "body": "{{ $json.text }}", "labels": ["bug"]},
        {"operation": "list", "owner": "octo", "repo": "hello", "labels": "bug", "limit": 50},
        {"operation": "comment", "owner": "octo", "repo": "hello", "number": 7, "body": "Thanks."},
    )  # fmt: skip
    keywords = (
        "github", "github issue", "issue", "bug report", "create issue", "comment on issue",
        "close issue", "label", "ticket in github", "github问题", "提交issue", "创建issue", "缺陷",
    )  # fmt: skip
