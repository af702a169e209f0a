"""The mesh's REST API as commands use it: JSON in, JSON out, events that survive a lost connection.

Whatever goes wrong ends the command as a Failure that says what the mesh said.
"""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from cli.access import access_token, gateway_url
from cli.exits import Exit, Failure

_TIMEOUT = httpx2.Timeout(60, connect=5)
_RECONNECTS = 20
_PAUSE_SECONDS = 0.5

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run or a session."""

    sequence: int
    type: str
    data: Json


class Rest:
    """A signed-in caller of one mesh."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._client = httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=_TIMEOUT
        )

    def get(self, path: str, **params: str | int) -> Json:
        return self._send("GET", path, params=params)

    def post(self, path: str, body: Json | None = None, **params: str) -> Json:
        return self._send("POST", path, json=body or {}, params=params)

    def patch(self, path: str, body: Json) -> Json:
        return self._send("PATCH", path, json=body)

    def delete(self, path: str) -> Json:
        return self._send("DELETE", path)

    def pages(self, path: str, key: str, limit: int, **params: str) -> Iterator[Json]:
        """The items of a list, page after page, at most `limit`."""
        token = ""
        while limit > 0:
            page = self.get(path, page_size=min(limit, 200), page_token=token, **params)
            yield from page[key][:limit]
            limit -= len(page[key])
            token = page.get("next_page_token") or ""
            if not token:
                return

    def say(self, path: str, body: Json, follow: str) -> Iterator[Event]:
        """Post something that is answered by a stream; resumed from `follow` when it is cut."""
        last = 0
        try:
            for event in self._stream("POST", path, json=body):
                last = event.sequence
                yield event
        except httpx2.TransportError:
            yield from self.events(follow, after=last)

    def events(self, path: str, after: int = 0) -> Iterator[Event]:
        """Follow a history to its end, through lost connections."""
        for attempt in range(_RECONNECTS):
            try:
                for event in self._stream("GET", path, params={"after": str(after)}):
                    after = event.sequence
                    yield event
            except httpx2.TransportError as error:
                if attempt == _RECONNECTS - 1:
                    raise self._unreachable() from error
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def close(self) -> None:
        self._client.close()

    def _stream(self, method: str, path: str, **options: Any) -> Iterator[Event]:
        headers = {"accept": "text/event-stream"}
        with self._client.sse(path, method=method, headers=headers, **options) as source:
            if not source.response.is_success:
                source.response.read()
                raise _failure(source.response)
            for event in source:
                if event.data:
                    said: Json = json.loads(event.data)
                    yield Event(said["sequence"], said["type"], said["data"])

    def _send(self, method: str, path: str, **options: Any) -> Json:
        try:
            answer = self._client.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self._unreachable() from error
        if not answer.is_success:
            raise _failure(answer)
        return answer.json() if answer.content else {}

    def _unreachable(self) -> Failure:
        return Failure(Exit.UNREACHABLE, f"No mesh answers at {self.url}.")


@contextmanager
def signed_in() -> Generator[Rest]:
    """The mesh here, as whoever is logged in.

    Raises:
        Failure: No mesh answers, or nobody is logged in.
    """
    url = gateway_url()
    rest = Rest(url, access_token(url))
    try:
        yield rest
    finally:
        rest.close()


def _failure(answer: httpx2.Response) -> Failure:
    """What a problem document says, each finding on its own line."""
    try:
        problem: Json = answer.json()
    except ValueError:
        return Failure(Exit.FAILED, f"The mesh answered {answer.status_code}.")
    lines = [str(problem.get("detail") or problem.get("title") or answer.status_code)]
    errors: list[Json] = problem.get("errors") or []
    for error in errors:
        mend = f" ({error['suggestion']})" if error.get("suggestion") else ""
        lines.append(f"  {error.get('pointer') or '/'}: {error.get('message')}{mend}")
    return Failure(Exit.FAILED, "\n".join(lines))
