"""GitHub: issues, files, releases, workflows."""

from engine_service.n8n.app import App, Build, limit
from engine_service.n8n.mapping import CannotMap, Fields, NodeMapping
from shared.workflow import JsonObject


def _repository(fields: Fields) -> JsonObject:
    return {"owner": fields.located("owner"), "repo": fields.located("repository")}


def _create(fields: Fields) -> JsonObject:
    return {
        "operation": "create",
        **_repository(fields),
        "title": fields.take("title"),
        "body": fields.take("body"),
        "labels": [row.take("label") for row in fields.rows("labels")],
        "assignees": [row.take("assignee") for row in fields.rows("assignees")],
    }


def _edit(fields: Fields) -> JsonObject:
    changes = fields.section("editFields")
    changes.ignore("state_reason")
    return {
        "operation": "update",
        **_repository(fields),
        "number": fields.take("issueNumber"),
        **{name: changes.take(name) for name in ("title", "body", "state")},
        "labels": [row.take("label") for row in changes.rows("labels")],
        "assignees": [row.take("assignee") for row in changes.rows("assignees")],
    }


def _of_issue(operation: str, *names: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        more = {name: fields.take(name) for name in names}
        number = fields.take("issueNumber")
        return {"operation": operation, **_repository(fields), "number": number, **more}

    return build


def _issues(fields: Fields) -> JsonObject:
    filters = fields.section("getRepositoryIssuesFilters")
    names = ("state", "labels", "assignee", "creator", "since", "sort", "direction")
    wanted = {name: filters.take(name) for name in names}
    return {"operation": "list", **_repository(fields), **wanted, **limit(fields, 50)}


def _file(operation: str) -> Build:
    def build(fields: Fields) -> JsonObject:
        if fields.flag("binaryData") or (
            operation == "get_file" and fields.flag("asBinaryProperty", True)
        ):
            raise CannotMap("It works with a file of the workflow; only texts are known here.")
        made = {"operation": operation, **_repository(fields), "path": fields.take("filePath")}
        if operation == "get_file":
            reference = fields.section("additionalParameters").take("reference")
            fields.differ("The file's content is in 'text', read, instead of 'content' in base64.")
            return {**made, "ref": reference}
        more = fields.section("additionalParameters").section("branch")
        content = fields.take("fileContent")
        message = fields.take("commitMessage")
        return {**made, "text": content, "message": message, "branch": more.take("branch")}

    return build


def _release(fields: Fields) -> JsonObject:
    more = fields.section("additionalFields")
    names = ("name", "body", "draft", "prerelease", "target_commitish")
    made = {name: more.take(name) for name in names}
    tag = fields.take("releaseTag")
    return {"operation": "create_release", **_repository(fields), "tag_name": tag, **made}


def _dispatch(fields: Fields) -> JsonObject:
    return {
        "operation": "dispatch_workflow",
        **_repository(fields),
        "workflow": fields.located("workflowId"),
        "ref": fields.located("ref"),
        "inputs": fields.take("inputs"),
    }


def _in_repository(operation: str) -> Build:
    return lambda fields: {"operation": operation, **_repository(fields)}


_GITHUB = App(
    "github.issue",
    {
        "issue:create": _create,
        "issue:get": _of_issue("get"),
        "issue:edit": _edit,
        "issue:createComment": _of_issue("comment", "body"),
        "issue:lock": _of_issue("lock"),
        "repository:getIssues": _issues,
        "repository:get": _in_repository("get_repository"),
        "file:get": _file("get_file"),
        "file:create": _file("put_file"),
        "file:edit": _file("put_file"),
        "release:create": _release,
        "release:getAll": _in_repository("list_releases"),
        "workflow:dispatch": _dispatch,
    },
    "issue",
    "create",
    dict.fromkeys(
        (
            "repository:get", "file:get", "file:create", "file:edit", "release:create",
            "release:getAll", "workflow:dispatch",
        ),
        "github.api",
    ),
)  # fmt: skip

MAPPINGS = (NodeMapping(("n8n-nodes-base.github",), _GITHUB.translate),)
