"""The mesh's REST API as commands use it: JSON in, JSON out, events that survive a lost connection.

Whatever goes wrong ends the command as a Failure that says what the mesh said.
"""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2

from cli.access import access_token, gateway_url, no_mesh, renewed_token, unreachable
from cli.drawing import remark
from cli.exits import Exit, Failure

_TIMEOUT = httpx2.Timeout(60, connect=5)
_RECONNECTS = 20
_PAUSE_SECONDS = 0.5
# What a gateway says whose services restart; the history goes on where it was.
_AWAY = (502, 503, 504)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run or a session."""

    sequence: int
    type: str
    data: Json


class Rest:
    """A signed-in caller of one mesh."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx2.Client(base_url=url, auth=_Bearer(url), timeout=_TIMEOUT)

    def get(self, path: str, **params: str | int) -> Json:
        return self._send("GET", path, params=params)

    def post(self, path: str, body: Json | None = None, **params: str) -> Json:
        return self._send("POST", path, json=body or {}, params=params)

    def put(self, path: str, body: Json) -> Json:
        return self._send("PUT", path, json=body)

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
        """Post something that is answered by a stream; when that ends, go on from `follow`."""
        last = 0
        try:
            for event in self._stream("POST", path, json=body):
                last = event.sequence
                yield event
        except _Ended:
            return
        except httpx2.TransportError as error:
            if not last:
                raise unreachable(self.url) from error
        yield from self.events(follow, after=last)

    def events(self, path: str, after: int = 0) -> Iterator[Event]:
        """Follow a history to its end, through lost connections and restarts of the mesh.

        Raises:
            Failure: The mesh refuses, or stays away.
        """
        lost = 0
        while True:
            try:
                for event in self._stream("GET", path, params={"after": str(after)}):
                    lost, after = 0, event.sequence
                    yield event
            except _Ended:
                return
            except (httpx2.TransportError, _Away) as error:
                lost += 1
                if lost == _RECONNECTS:
                    raise unreachable(self.url) from error
                if lost == 1:
                    remark("The mesh does not answer; trying again …")
                time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        self._client.close()

    def _stream(self, method: str, path: str, **options: Any) -> Iterator[Event]:
        headers = {"accept": "text/event-stream"}
        with self._client.sse(path, method=method, headers=headers, **options) as source:
            if source.response.status_code == HTTPStatus.NO_CONTENT:
                raise _Ended
            if not source.response.is_success:
                source.response.read()
                raise _failure(source.response)
            try:
                for event in source:
                    if event.data:
                        said: Json = json.loads(event.data)
                        yield Event(said["sequence"], said["type"], said["data"])
            except httpx2.SSEError as error:
                raise no_mesh(self.url) from error

    def _send(self, method: str, path: str, **options: Any) -> Json:
        try:
            answer = self._client.request(method, path, **options)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise unreachable(self.url) from error
        except UnicodeEncodeError as error:
            raise Failure(Exit.USAGE, "What is to be sent is not text in UTF-8.") from error
        if not answer.is_success:
            raise _failure(answer)
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise no_mesh(self.url) from error


class _Bearer(httpx2.Auth):
    """Shows a token; one that the mesh no longer accepts is replaced once, if it can be."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token = access_token(url)

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == HTTPStatus.UNAUTHORIZED and (token := renewed_token(self._url)):
            self._token = token
            request.headers["authorization"] = f"Bearer {token}"
            yield request


class _Ended(Exception):
    """A history has ended; the end of a stream alone does not say so."""


class _Away(Failure):
    """The mesh answers that it cannot answer now."""


@contextmanager
def signed_in() -> Generator[Rest]:
    """The mesh here, as whoever is logged in.

    Raises:
        Failure: No mesh answers, or nobody is logged in.
    """
    rest = Rest(gateway_url())
    try:
        yield rest
    finally:
        rest.close()


def _failure(answer: httpx2.Response) -> Failure:
    """What a problem document says, each finding on its own line."""
    kind = _Away if answer.status_code in _AWAY else Failure
    try:
        problem: Json = answer.json()
    except ValueError:
        return kind(Exit.FAILED, f"The mesh answered {answer.status_code}.")
    lines = [str(problem.get("detail") or problem.get("title") or answer.status_code)]
    errors: list[Json] = problem.get("errors") or []
    for error in errors:
        mend = f" ({error['suggestion']})" if error.get("suggestion") else ""
        lines.append(f"  {error.get('pointer') or '/'}: {error.get('message')}{mend}")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        lines.append("Unset FLOWLOOM_TOKEN or set a fresh one, or sign in with `flowloom login`.")
    return kind(Exit.FAILED, "\n".join(lines))
