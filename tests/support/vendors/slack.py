"""Slack's Web API: says no with status 200, pages by cursor, wants JSON or a query."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.http_server import Answer, Seen
from tests.support.vendors.fake import FakeVendor, Handle

TOKEN = "xoxb-a-bot-token"
CHANNELS = {"C1": "ops", "C2": "random"}


@dataclass
class FakeSlack(FakeVendor):
    """A workspace with two channels."""

    place: str = "https://slack.com"
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    made: dict[str, str] = field(default_factory=dict[str, str])
    reactions: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])

    def routes(self) -> Mapping[str, Handle]:
        return {
            "POST /api/chat.postMessage": self._post,
            "POST /api/chat.update": self._update,
            "POST /api/chat.delete": self._delete,
            "POST /api/reactions.add": self._react,
            "GET /api/conversations.history": self._history,
            "GET /api/conversations.list": self._channels,
            "GET /api/users.lookupByEmail": self._user,
            "POST /api/conversations.create": self._create,
            "POST /api/conversations.rename": self._rename,
            "GET /api/conversations.members": self._members,
            "GET /api/files.getUploadURLExternal": self._upload_url,
            "POST /upload/{file_id}": self._upload,
            "POST /api/files.completeUploadExternal": self._complete,
        }

    def refuse(self, seen: Seen) -> Answer | None:
        if seen.path.startswith("/upload/"):
            return no("token_where_none_belongs") if "authorization" in seen.headers else None
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return no("invalid_auth")
        kind = seen.headers.get("content-type")
        return no("invalid_post_type") if seen.method == "POST" and kind != JSON else None

    def unknown(self, seen: Seen) -> Answer:
        return no("unknown_method")

    def _post(self, seen: Seen) -> Answer:
        body = seen.json()
        channel = _channel(body.get("channel", ""))
        if channel is None:
            return no("channel_not_found")
        if not body.get("text") and not body.get("blocks"):
            return no("no_text")
        message = {**body, "channel": channel, "ts": f"1700000000.{len(self.messages):06}"}
        self.messages.append(message)
        return yes(channel=channel, ts=message["ts"], message={"text": body.get("text")})

    def _update(self, seen: Seen) -> Answer:
        body = seen.json()
        for message in self.messages:
            if (message["channel"], message["ts"]) == (body["channel"], body["ts"]):
                message.update(body)
                return yes(channel=body["channel"], ts=body["ts"], text=body["text"])
        return no("message_not_found")

    def _delete(self, seen: Seen) -> Answer:
        body = seen.json()
        kept = [message for message in self.messages if message["ts"] != body["ts"]]
        if len(kept) == len(self.messages):
            return no("message_not_found")
        self.messages = kept
        return yes(channel=body["channel"], ts=body["ts"])

    def _react(self, seen: Seen) -> Answer:
        body = seen.json()
        reaction = (body["channel"], body["timestamp"], body["name"])
        if reaction in self.reactions:
            return no("already_reacted")
        self.reactions.add(reaction)
        return yes()

    def _history(self, seen: Seen) -> Answer:
        if "channel" not in seen.query:
            return no("invalid_arguments")
        return self._page(seen, "messages", [*reversed(self.messages)])

    def _channels(self, seen: Seen) -> Answer:
        rows = [{"id": key, "name": name} for key, name in CHANNELS.items()]
        return self._page(seen, "channels", rows)

    def _create(self, seen: Seen) -> Answer:
        name = seen.json()["name"]
        if name in self.made.values():
            return no("name_taken")
        self.made[f"N{len(self.made)}"] = name
        return yes(channel={"id": f"N{len(self.made) - 1}", "name": name})

    def _rename(self, seen: Seen) -> Answer:
        body = seen.json()
        if body["channel"] not in self.made:
            return no("channel_not_found")
        self.made[body["channel"]] = body["name"]
        return yes(channel={"id": body["channel"], "name": body["name"]})

    def _members(self, seen: Seen) -> Answer:
        return self._page(seen, "members", [f"U{number}" for number in range(3)])

    def _user(self, seen: Seen) -> Answer:
        if seen.query.get("email") != "ada@example.com":
            return no("users_not_found")
        return yes(user={"id": "U1", "name": "ada"})

    def _upload_url(self, seen: Seen) -> Answer:
        assert seen.query["length"].isdigit()
        file_id = f"F{len(self.files)}"
        self.files[file_id] = b""
        return yes(upload_url=f"{self.place}/upload/{file_id}", file_id=file_id)

    def _upload(self, seen: Seen, file_id: str) -> Answer:
        self.files[file_id] = seen.body
        return Answer(200, body=b"OK")

    def _complete(self, seen: Seen) -> Answer:
        [file] = seen.json()["files"]
        if not self.files.get(file["id"]):
            return no("file_not_found")
        return yes(files=[{**file, "channel": seen.json().get("channel_id")}])

    def _page(self, seen: Seen, name: str, rows: list[Any]) -> Answer:
        start, size = int(seen.query.get("cursor", "0")), int(seen.query["limit"])
        after = str(start + size) if start + size < len(rows) else ""
        page = rows[start : start + size]
        return yes(**{name: page, "response_metadata": {"next_cursor": after}})


JSON = "application/json"


def yes(**more: Any) -> Answer:
    return Answer.of_json({"ok": True, **more})


def no(error: str, **more: Any) -> Answer:
    return Answer.of_json({"ok": False, "error": error, **more})


def _channel(name: str) -> str | None:
    if name in CHANNELS:
        return name
    return next((key for key, known in CHANNELS.items() if f"#{known}" == name), None)
