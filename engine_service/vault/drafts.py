"""What somebody writes about a credential: checked, and split into what is shown and what is not.

Whoever changes where a credential may be shown has to know its secrets: otherwise anybody who may
edit it could have it sent to themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import ValidationError

from engine_service.credentials import BY_TYPE
from engine_service.sdk.credential import CredentialFields, CredentialType
from engine_service.web.binding import Binding
from shared.errors import InvalidInput, Violation
from shared.workflow import JsonObject, pointer, violations_of

_MOST_BYTES = 64 * 1024
_MOST_HOSTS = 50
_LONGEST_HOST = 300


@dataclass(frozen=True, slots=True)
class Draft:
    """A credential's fields, checked.

    Attributes:
        data: The fields that are no secrets.
        secrets: Those that are, as far as they are set.
        hosts: Where it may be shown.
    """

    data: JsonObject
    secrets: Mapping[str, Any]
    hosts: Sequence[str]


def kind_of(name: str) -> CredentialType[Any]:
    """The type of this name.

    Raises:
        InvalidInput: There is none.
    """
    kind = BY_TYPE.get(name)
    if kind is None:
        message = f"There is no credential type {name[:100]!r}."
        violation = Violation("/type", "unknown_credential_type", message, _known())
        raise InvalidInput(message, violations=[violation])
    return kind


def read_data(document: bytes) -> JsonObject:
    """The fields as somebody wrote them.

    Raises:
        InvalidInput: They are no JSON object, or too long.
    """
    try:
        data: Any = orjson.loads(document or b"{}")
    except ValueError:
        data = None
    if not isinstance(data, dict) or len(document) > _MOST_BYTES:
        violation = Violation("/data", "invalid", "An object of at most 64 KiB is expected.")
        raise InvalidInput("The fields cannot be read.", violations=[violation])
    return cast("JsonObject", data)


def draft(kind: CredentialType[Any], data: JsonObject, hosts: Sequence[str]) -> Draft:
    """A new credential.

    Raises:
        InvalidInput: Fields or hosts do not fit; each finding is a violation.
    """
    fields = _fields(kind, data)
    hidden = kind.secret_names()
    return Draft(
        fields.model_dump(exclude=set(hidden)),
        {name: value for name, value in fields.model_dump(include=set(hidden)).items() if value},
        _hosts(kind, fields, hosts),
    )


def redraft(
    kind: CredentialType[Any], before: Draft, patch: JsonObject, hosts: Sequence[str]
) -> Draft:
    """A credential with some fields set anew, null taking one away.

    Raises:
        InvalidInput: Fields or hosts do not fit, or the secrets would go where they did not before.
    """
    known = {**before.data, **before.secrets}
    merged = {name: value for name, value in {**known, **patch}.items() if value is not None}
    if not hosts and list(before.hosts) != list(kind.hosts_of(_fields(kind, known))):
        hosts = before.hosts  # somebody chose them; the type's own follow the fields
    after = draft(kind, merged, hosts)
    if _goes_elsewhere(before, after):
        _require_secrets(before, patch)
    return after


def _goes_elsewhere(before: Draft, after: Draft) -> bool:
    addresses = {name for name in {**before.data, **after.data} if name.endswith("_url")}
    moved = any(before.data.get(name) != after.data.get(name) for name in addresses)
    return moved or not set(after.hosts) <= set(before.hosts)


def _require_secrets(before: Draft, patch: JsonObject) -> None:
    violations = [
        Violation(
            pointer(["data", name]),
            "secret_needed",
            "Where this credential is sent changes, so its secrets have to be given again.",
        )
        for name in before.secrets
        if name not in patch
    ]
    if violations:
        raise InvalidInput(
            "Whoever changes where a credential is sent must know it.",
            reason="SECRET_NEEDED",
            violations=violations,
        )


def _fields(kind: CredentialType[Any], data: JsonObject) -> CredentialFields:
    try:
        return kind.Fields.model_validate(data)
    except ValidationError as error:
        found = [
            Violation(f"/data{one.pointer}", one.code, one.message) for one in violations_of(error)
        ]
        raise InvalidInput("The fields do not fit the type.", violations=found) from None


def _hosts(
    kind: CredentialType[Any], fields: CredentialFields, given: Sequence[str]
) -> Sequence[str]:
    hosts = [host.strip() for host in given] or list(kind.hosts_of(fields))
    try:
        if not hosts:
            raise ValueError("Name the hosts that it may be shown to, such as api.example.com.")
        if len(hosts) > _MOST_HOSTS or any(len(host) > _LONGEST_HOST for host in hosts):
            raise ValueError(f"At most {_MOST_HOSTS} hosts, each with {_LONGEST_HOST} signs.")
        Binding.parse(hosts)
    except ValueError as error:
        violation = Violation("/hosts", "invalid_hosts", str(error))
        raise InvalidInput("The hosts cannot be used.", violations=[violation]) from error
    return hosts


def _known() -> str:
    return f"There are {', '.join(sorted(BY_TYPE))}."
