"""GitHub's REST API: pages by Link headers, limits told by 403, errors with details."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Answer, Seen
from tests.support.vendors.fake import FakeVendor, Handle

TOKEN = "ghp_a-personal-token"
REPO = "/repos/{owner}/{repo}"


@dataclass
class FakeGitHub(FakeVendor):
    """One repository, `octo/hello`."""

    place: str = "https://api.github.com"
    issues: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    dispatched: list[Any] = field(default_factory=list[Any])

    def routes(self) -> Mapping[str, Handle]:
        issue = f"{REPO}/issues/{{number}}"
        contents = f"{REPO}/contents/{{a}}/{{b}}"
        return {
            f"POST {REPO}/issues": self._create,
            f"GET {REPO}/issues": self._list,
            f"GET {issue}": self._get,
            f"PATCH {issue}": self._change,
            f"POST {issue}/labels": self._labels,
            f"DELETE {issue}/labels/{{label}}": self._unlabel,
            f"GET {contents}": self._read,
            f"PUT {contents}": self._write,
            f"POST {REPO}/actions/workflows/{{workflow}}/dispatches": self._dispatch,
            "GET /orgs/{org}/teams": self._teams,
        }

    def refuse(self, seen: Seen) -> Answer | None:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer.of_json({"message": "Bad credentials"}, 401)
        if seen.headers.get("x-github-api-version") != "2022-11-28" or (
            seen.headers.get("accept") != "application/vnd.github+json"
        ):
            return Answer.of_json({"message": "Unsupported version"}, 400)
        if not seen.headers.get("user-agent"):
            return Answer.of_json({"message": "User agent required"}, 403)
        if seen.path.startswith("/repos/") and not seen.path.startswith("/repos/octo/hello"):
            return self.unknown(seen)
        return None

    def unknown(self, seen: Seen) -> Answer:
        return Answer.of_json({"message": "Not Found"}, 404)

    def _create(self, seen: Seen, **_: str) -> Answer:
        body = seen.json()
        if not body.get("title"):
            errors = [{"resource": "Issue", "field": "title", "code": "missing_field"}]
            return Answer.of_json({"message": "Validation Failed", "errors": errors}, 422)
        issue: dict[str, Any] = {
            "number": len(self.issues) + 1,
            "state": "open",
            "labels": [],
            **body,
        }
        self.issues.append(issue)
        return Answer.of_json(issue, 201)

    def _list(self, seen: Seen, **_: str) -> Answer:
        page, size = int(seen.query.get("page", "1")), int(seen.query["per_page"])
        rows = self.issues[(page - 1) * size : page * size]
        if page * size >= len(self.issues):
            return Answer.of_json(rows)
        after = f"{self.place}{seen.path}?per_page={size}&page={page + 1}"
        return Answer.of_json(rows, link=f'<{after}>; rel="next", <{after}>; rel="last"')

    def _get(self, seen: Seen, number: str, **_: str) -> Answer:
        return self._one(number)

    def _teams(self, seen: Seen, org: str) -> Answer:
        return Answer.of_json([{"slug": org}])

    def _one(self, number: str) -> Answer:
        found = [issue for issue in self.issues if issue["number"] == int(number)]
        return Answer.of_json(found[0]) if found else Answer.of_json({"message": "Not Found"}, 404)

    def _change(self, seen: Seen, number: str, **_: str) -> Answer:
        self.issues[int(number) - 1].update(seen.json())
        return self._one(number)

    def _labels(self, seen: Seen, number: str, **_: str) -> Answer:
        labels = self.issues[int(number) - 1]["labels"]
        labels += [{"name": name} for name in seen.json()["labels"]]
        return Answer.of_json(labels)

    def _unlabel(self, seen: Seen, number: str, label: str, **_: str) -> Answer:
        issue = self.issues[int(number) - 1]
        issue["labels"] = [one for one in issue["labels"] if one["name"] != label]
        return Answer.of_json(issue["labels"])

    def _read(self, seen: Seen, a: str, b: str, **_: str) -> Answer:
        content = self.files.get(f"{a}/{b}")
        if content is None:
            return self.unknown(seen)
        encoded = base64.encodebytes(content).decode()
        return Answer.of_json(
            {"path": f"{a}/{b}", "sha": str(len(content)), "encoding": "base64", "content": encoded}
        )

    def _write(self, seen: Seen, a: str, b: str, **_: str) -> Answer:
        body, known = seen.json(), self.files.get(f"{a}/{b}")
        if known is not None and body.get("sha") != str(len(known)):
            return Answer.of_json({"message": f"{b} does not match"}, 409)
        self.files[f"{a}/{b}"] = base64.b64decode(body["content"], validate=True)
        return Answer.of_json({"content": {"path": f"{a}/{b}"}}, 200 if known else 201)

    def _dispatch(self, seen: Seen, workflow: str, **_: str) -> Answer:
        self.dispatched.append({"workflow": workflow, **seen.json()})
        return Answer(204)
