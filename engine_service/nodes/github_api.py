"""`github.api`: repositories, files, pull requests, releases, workflows, and any other request."""

import base64
import binascii
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.connectors.asking import Caller
from engine_service.connectors.connector import Connector
from engine_service.connectors.github import GITHUB, PAGES
from engine_service.connectors.operation import (
    OPERATION,
    Call,
    Choice,
    Listing,
    Method,
    Operation,
)
from engine_service.sdk.node import Effect, NodeError
from shared.workflow import JsonObject

_REPO = "/repos/{owner}/{repo}"
_SAFE: dict[str, Effect] = {"GET": Effect.READ, "PUT": Effect.KEYED, "DELETE": Effect.KEYED}
_PULL: JsonObject = {
    "number": 7, "title": "Mend it", "state": "open", "head": {"ref": "mend"},
    "base": {"ref": "main"}, "html_url": "https://github.com/octo/hello/pull/7",
}  # fmt: skip
_RELEASE: JsonObject = {"id": 1, "tag_name": "v1.0.0", "name": "1.0.0", "draft": False}
_FILE: JsonObject = {
    "path": "README.md", "sha": "3d21ec53a331a6f037a91c368710b99387d012c1", "text": "# Hello",
}  # fmt: skip


class _InRepository(Operation):
    """Whose repository, and which."""

    owner: str = Field(min_length=1, description="The repository's owner: a login")
    repo: str = Field(min_length=1, description="The repository's name")


class GetRepository(_InRepository):
    """Reads what a repository is."""

    operation: Literal["get_repository"] = OPERATION
    call = Call("GET", _REPO, Effect.READ)
    sample: ClassVar[JsonObject] = {"full_name": "octo/hello", "default_branch": "main"}


class GetFile(_InRepository):
    """Reads a file; its content is in `text`, or in `base64` when it is none."""

    operation: Literal["get_file"] = OPERATION
    path: str = Field(min_length=1, description="The file's path")
    ref: str | None = Field(default=None, description="A branch, tag or commit; the default branch")
    call = Call("GET", f"{_REPO}/contents/{{path*}}", Effect.READ)
    sample = _FILE

    def shown(self, member: Any) -> Any:
        match member:
            case {"encoding": "base64", "content": str(content), **rest}:
                return {**rest, **_content(content)}
            case _:
                return member


class PutFile(_InRepository):
    """Writes a file in a commit of its own, whether it is there or not."""

    operation: Literal["put_file"] = OPERATION
    path: str = Field(min_length=1, description="The file's path")
    text: str | None = Field(default=None, description="The content as text")
    base64: str | None = Field(default=None, description="The content in base64")
    message: str = Field(min_length=1, description="What the commit says")
    branch: str | None = Field(default=None, description="The branch; the default branch")
    sha: str | None = Field(
        default=None, description="The file's `sha` as it was read, so that nothing is overwritten"
    )
    call = Call("PUT", f"{_REPO}/contents/{{path*}}", Effect.KEYED, unsent=("text", "base64"))
    sample: ClassVar[JsonObject] = {"content": _FILE, "commit": {"sha": "7638417db6d5"}}

    def to_body(self) -> Any:
        encoded = self.base64 or base64.b64encode((self.text or "").encode()).decode()
        return {**super().to_body(), "content": encoded}


class DeleteFile(_InRepository):
    """Deletes a file in a commit of its own."""

    operation: Literal["delete_file"] = OPERATION
    path: str = Field(min_length=1, description="The file's path")
    message: str = Field(min_length=1, description="What the commit says")
    sha: str = Field(min_length=1, description="The file's `sha` as it was read")
    branch: str | None = Field(default=None, description="The branch; the default branch")
    call = Call("DELETE", f"{_REPO}/contents/{{path*}}", Effect.KEYED, bodied=True)
    sample: ClassVar[JsonObject] = {"commit": {"sha": "7638417db6d5"}}


class ListPulls(Listing, _InRepository):
    """Lists pull requests, newest first."""

    operation: Literal["list_pulls"] = OPERATION
    state: Literal["open", "closed", "all"] = Field(default="open", description="Which ones")
    head: str | None = Field(default=None, description="Only from this branch: `owner:branch`")
    base: str | None = Field(default=None, description="Only into this branch")
    call = Call("GET", f"{_REPO}/pulls", Effect.READ, pages=PAGES)
    sample = _PULL


class CreatePull(_InRepository):
    """Opens a pull request."""

    operation: Literal["create_pull"] = OPERATION
    title: str = Field(min_length=1, description="What it is about")
    head: str = Field(min_length=1, description="The branch with the changes")
    base: str = Field(min_length=1, description="The branch they shall go into")
    body: str | None = Field(default=None, description="The text, as Markdown")
    draft: bool | None = Field(default=None, description="Whether it is a draft")
    call = Call("POST", f"{_REPO}/pulls")
    sample = _PULL


class MergePull(_InRepository):
    """Merges a pull request."""

    operation: Literal["merge_pull"] = OPERATION
    number: int = Field(ge=1, description="The pull request's number")
    merge_method: Literal["merge", "squash", "rebase"] = Field(default="merge", description="How")
    sha: str | None = Field(default=None, description="Only if its head is this commit")
    call = Call("PUT", f"{_REPO}/pulls/{{number}}/merge", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"merged": True, "sha": "7638417db6d5"}


class ListReleases(Listing, _InRepository):
    """Lists releases, newest first."""

    operation: Literal["list_releases"] = OPERATION
    call = Call("GET", f"{_REPO}/releases", Effect.READ, pages=PAGES)
    sample = _RELEASE


class CreateRelease(_InRepository):
    """Publishes a release."""

    operation: Literal["create_release"] = OPERATION
    tag_name: str = Field(min_length=1, description="The tag, made if it is not there")
    target_commitish: str | None = Field(default=None, description="What a new tag stands for")
    name: str | None = Field(default=None, description="What the release is called")
    body: str | None = Field(default=None, description="The text, as Markdown")
    draft: bool | None = Field(default=None, description="Whether it is a draft")
    prerelease: bool | None = Field(default=None, description="Whether it is a prerelease")
    call = Call("POST", f"{_REPO}/releases")
    sample = _RELEASE


class DispatchWorkflow(_InRepository):
    """Starts a workflow of GitHub Actions that has the event `workflow_dispatch`."""

    operation: Literal["dispatch_workflow"] = OPERATION
    workflow: str = Field(min_length=1, description="The workflow's file name, or its id")
    ref: str = Field(min_length=1, description="The branch or tag it runs on")
    inputs: dict[str, Any] | None = Field(default=None, description="What it is given")
    call = Call("POST", f"{_REPO}/actions/workflows/{{workflow}}/dispatches")
    sample: ClassVar[JsonObject] = {}


class Request(Listing):
    """Sends any other request to GitHub's REST API."""

    operation: Literal["request"] = OPERATION
    method: Method = Field(default="GET", description="The HTTP method")
    path: str = Field(pattern=r"^/", max_length=2_000, description="Such as `/orgs/octo/teams`")
    params: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Fields of the query; null leaves one out"
    )
    body: dict[str, Any] | list[Any] | None = Field(default=None, description="What to send")
    items: str = Field(default="", description="Where in the answer the items are, if not outside")
    call = Call("POST", "{path*}")
    sample: ClassVar[JsonObject] = {"id": 1}

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        return _SAFE.get(str(parameters.get("method", "GET")), Effect.UNSAFE)

    def to_call(self) -> Call:
        reads = self.method == "GET"
        return Call(
            self.method,
            "/{path*}",
            _SAFE.get(self.method, Effect.UNSAFE),
            items=self.items,
            pages=PAGES if reads else None,
        )

    def to_path(self) -> str:
        return f"/{super().to_path()}"

    def to_query(self) -> JsonObject:
        return self.params

    def to_body(self) -> Any:
        return self.body


class GitHubParameters(Choice):
    """What to do on GitHub."""

    operations = (
        GetRepository, GetFile, PutFile, DeleteFile, ListPulls, CreatePull, MergePull,
        ListReleases, CreateRelease, DispatchWorkflow, Request,
    )  # fmt: skip


class GitHubApi(Connector):
    """Works with repositories on GitHub: files, pull requests, releases, workflows, and the rest.

    `operation` says what to do: `get_repository`, `get_file`, `put_file`, `delete_file`,
    `list_pulls`, `create_pull`, `merge_pull`, `list_releases`, `create_release`,
    `dispatch_workflow`; `request` sends any other request of GitHub's REST API, and follows the
    pages of a list. Issues have a node of their own, `github.issue`.

    `put_file` looks up the file's `sha` itself when none is given. The credential and the codes of
    refusals are those of `github.issue`.
    """

    Parameters = GitHubParameters
    vendor = GITHUB
    type = "github.api"
    title = "GitHub"
    credential_types = GITHUB.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "get_file", "owner": "octo", "repo": "hello", "path": "docs/README.md"},
        {"operation": "dispatch_workflow", "owner": "octo", "repo": "hello",
         "workflow": "deploy.yml", "ref": "main", "inputs": {"version": "{{ $json.name }}"}},
        {"operation": "create_release", "owner": "octo", "repo": "hello", "tag_name": "v1.0.0"},
        {"operation": "request", "path": "/orgs/octo/teams", "limit": None},
    )  # fmt: skip
    keywords = (
        "github", "github api", "repository", "pull request", "release", "github actions",
        "workflow dispatch", "commit file", "repo", "github仓库", "拉取请求", "代码仓库",
    )  # fmt: skip

    async def perform(self, operation: Operation, caller: Caller) -> list[Any]:
        if isinstance(operation, PutFile) and operation.sha is None:
            found = await self._sha(operation, caller)
            operation = operation.model_copy(update={"sha": found})
        return await caller.perform(operation)

    async def _sha(self, operation: PutFile, caller: Caller) -> str | None:
        """What the file is now; None when it is not there yet."""
        look = Call("GET", operation.to_path(), Effect.READ)
        reference = {"ref": operation.branch} if operation.branch else {}
        try:
            found = await caller.ask(look, **reference)
        except NodeError as error:
            if error.failure.code == "not_found":
                return None
            raise
        return cast("JsonObject", found).get("sha") if isinstance(found, dict) else None


def _content(encoded: str) -> JsonObject:
    """A file's content as text, if it is one."""
    try:
        return {"text": base64.b64decode(encoded).decode()}
    except (binascii.Error, UnicodeDecodeError):
        return {"base64": "".join(encoded.split())}
