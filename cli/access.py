"""Which mesh the command line talks to, and as whom.

The mesh is FLOWLOOM_URL's, or the one that `flowloom up` runs from the state directory here. The
caller is FLOWLOOM_TOKEN's, or whoever logged in with `flowloom login`, or else, on the mesh of this
state directory only, the account that the command line makes for its owner.
"""

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import httpx2

from cli.embedded.state import DEFAULT, MeshRecord, StateDirectory
from cli.exits import Exit, Failure

_LOCAL_EMAIL = "you@flowloom.local"
_EARLY_SECONDS = 60
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Login:
    """Tokens for one mesh. `expires_at` is seconds since the epoch."""

    access_token: str
    refresh_token: str
    expires_at: float

    @property
    def fresh(self) -> bool:
        return time.time() < self.expires_at - _EARLY_SECONDS


def state_directory() -> StateDirectory:
    """The state directory here: FLOWLOOM_STATE_DIR, or `.flowloom`."""
    return StateDirectory(Path(os.environ.get("FLOWLOOM_STATE_DIR") or DEFAULT))


def local_mesh(url: str) -> MeshRecord | None:
    """The mesh of this state directory, if it is the one at this address."""
    mesh = state_directory().find_mesh()
    return mesh if mesh is not None and mesh.gateway_url == url else None


def gateway_url() -> str:
    """Where the gateway is.

    Raises:
        Failure: No mesh is named and none runs here.
    """
    if url := os.environ.get("FLOWLOOM_URL", "").rstrip("/"):
        if not url.startswith(("http://", "https://")):
            raise Failure(Exit.USAGE, f"FLOWLOOM_URL is {url!r}: it must begin with http://.")
        return url
    state = state_directory()
    mesh = state.find_mesh()
    if mesh is None:
        raise Failure(
            Exit.UNREACHABLE,
            f"No mesh runs in {state.path}. Start one with `flowloom up`, name its directory with "
            "FLOWLOOM_STATE_DIR, or name another mesh with FLOWLOOM_URL.",
        )
    return mesh.gateway_url


def unreachable(url: str) -> Failure:
    """What to say when nothing answers there."""
    state, mesh = state_directory(), local_mesh(url)
    if mesh is None:
        why = (
            "Is FLOWLOOM_URL right?"
            if os.environ.get("FLOWLOOM_URL")
            else "It has ended; `flowloom up` starts it again, and its runs go on."
        )
        return Failure(Exit.UNREACHABLE, f"No mesh answers at {url}. {why}")
    if not state.is_held():
        said = f"The mesh in {state.path} was killed. `flowloom up` starts it again."
    elif mesh.state == "ready":
        said = f"No mesh answers at {url}, though it should; `flowloom doctor` says more."
    else:
        said = f"The mesh in {state.path} is {mesh.state}."
    return Failure(Exit.UNREACHABLE, said)


def access_token(url: str) -> str:
    """A token that the mesh accepts now.

    Raises:
        Failure: Nobody is logged in, or the login has ended.
    """
    if token := os.environ.get("FLOWLOOM_TOKEN"):
        return token
    login = _logins(url).get(url)
    if login is not None and not login.fresh:
        login = _keep(url, _refresh(url, login))
    if login is None:
        login = _keep(url, _local_login(url))
    return login.access_token


def renewed_token(url: str) -> str | None:
    """Another token, for one that the mesh refused; None when only a person can give one."""
    if os.environ.get("FLOWLOOM_TOKEN"):
        return None
    login = _logins(url).get(url)
    return _keep(url, _refresh(url, login) if login else None).access_token


def log_in(url: str, email: str, password: str, *, sign_up: bool = False) -> Login:
    """Sign in, or create the account and be signed in; remembered for later commands.

    Raises:
        Failure: The mesh refuses, or does not answer.
    """
    path = "/auth/v1/signup" if sign_up else "/auth/v1/token?grant_type=password"
    return _keep(url, _login_of(_post(url, path, {"email": email, "password": password})))


def _local_login(url: str) -> Login:
    """Sign in as the owner of this machine's mesh, who gets an account on first use."""
    if local_mesh(url) is None:
        raise Failure(Exit.FAILED, f"Nobody is logged in to {url}. Run `flowloom login`.")
    file = state_directory().path / "account.json"
    account = _read(file)
    if "email" in account and "password" in account:
        try:
            return _login_of(_post(url, "/auth/v1/token?grant_type=password", account))
        except Failure as failure:
            if failure.exit is Exit.UNREACHABLE:
                raise
            # The mesh has another database than when the account was made: make it there, too.
    else:
        account = {"email": _LOCAL_EMAIL, "password": secrets.token_urlsafe(24)}
    login = _login_of(_post(url, "/auth/v1/signup", account))
    _write(file, account)
    return login


def _refresh(url: str, login: Login) -> Login | None:
    """New tokens; None when the login has ended and a new one is needed."""
    body = {"refresh_token": login.refresh_token}
    try:
        return _login_of(_post(url, "/auth/v1/token?grant_type=refresh_token", body))
    except Failure as failure:
        if failure.exit is Exit.UNREACHABLE:
            raise
        return None


def _post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = httpx2.post(f"{url}{path}", json=body, timeout=_TIMEOUT_SECONDS)
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        raise unreachable(url) from error
    try:
        content: dict[str, Any] = answer.json()
    except ValueError as error:
        raise no_mesh(url) from error
    if answer.is_success:
        return content
    said = content.get("detail") or content.get("msg") or content.get("message")
    raise Failure(Exit.FAILED, str(said or f"The mesh refused: {answer.status_code}."))


def no_mesh(url: str) -> Failure:
    """What to say when something else than a mesh answers."""
    return Failure(Exit.UNREACHABLE, f"What answers at {url} is no Flowloom mesh.")


def _login_of(answer: dict[str, Any]) -> Login:
    return Login(
        access_token=answer["access_token"],
        refresh_token=answer["refresh_token"],
        expires_at=time.time() + float(answer["expires_in"]),
    )


def _store(url: str) -> Path:
    """Beside the mesh when it is the one here: another mesh may have had the same address."""
    if local_mesh(url):
        return state_directory().path / "logins.json"
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "flowloom" / "logins.json"


def _logins(url: str) -> dict[str, Login]:
    try:
        return {known: Login(**login) for known, login in _read(_store(url)).items()}
    except TypeError:
        return {}


def _keep(url: str, login: Login | None) -> Login:
    """Remember a login, or forget one that has ended."""
    logins = _logins(url)
    if login is None:
        logins.pop(url, None)
        _write(_store(url), {known: asdict(one) for known, one in logins.items()})
        return _keep(url, _local_login(url))
    logins[url] = login
    _write(_store(url), {known: asdict(one) for known, one in logins.items()})
    return login


def _read(path: Path) -> dict[str, Any]:
    """What a file remembers; nothing when it is missing or damaged: it can be made again."""
    try:
        content: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _write(path: Path, content: object) -> None:
    """Replace a file that only its owner may read."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(content, indent=2))
        partial.replace(path)
    except OSError as error:
        raise Failure(Exit.FAILED, f"{path} cannot be written ({error.strerror}).") from error
