"""Who sends a webhook: proofs of identity and signatures, one function per scheme.

A request, the shared secret and the time go in; `Verified` or `Wrong` comes out. Secrets and
signatures are compared in constant time, and what is wrong is told in general terms only.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import jwt

from engine_service.sdk.trigger import IncomingRequest
from shared.workflow import JsonObject

Sender = Literal["none", "header", "basic", "jwt", "standard_webhooks", "github", "slack", "stripe"]
CLOCK_SKEW_SECONDS = 60
_SYMMETRIC = ["HS256", "HS384", "HS512"]
_ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
# Senders that need no scheme of their own may still name their delivery.
_DELIVERY_HEADERS = ("webhook-id", "idempotency-key", "x-github-delivery")


@dataclass(frozen=True, slots=True)
class Proof:
    """What a sender must show.

    Attributes:
        header: For `header`: the one that carries the secret, in lower case.
        tolerance: Seconds that a signature's time may be off.
    """

    sender: Sender
    header: str = ""
    tolerance: int = 300
    audience: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """The sender is who it should be; `claims` are those of its token, if it sent one."""

    delivery_id: str | None = None
    claims: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """The proof is missing or wrong; the message may be shown to the sender."""

    message: str


Verdict = Verified | Wrong
_NO_PROOF = Wrong("The request does not prove who sent it.")
_WRONG_PROOF = Wrong("The proof of the sender is not valid.")
_TOO_OLD = Wrong("The request is too old, or from the future.")


def verify(proof: Proof, request: IncomingRequest, secret: str, now: datetime) -> Verdict:
    """Check a request against what its sender must show."""
    if proof.sender == "none":
        return Verified(_named_delivery(request.headers))
    if not secret:
        return Wrong("This webhook has no secret yet.")
    return _SCHEMES[proof.sender](proof, request, secret, now)


def _named_delivery(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _DELIVERY_HEADERS if headers.get(name)), None)


def _equal(ours: str | bytes, theirs: str | bytes) -> bool:
    left = ours.encode() if isinstance(ours, str) else ours
    right = theirs.encode() if isinstance(theirs, str) else theirs
    return hmac.compare_digest(left, right)


def _by_header(proof: Proof, request: IncomingRequest, secret: str, _: datetime) -> Verdict:
    shown = request.headers.get(proof.header)
    if shown is None:
        return _NO_PROOF
    if not _equal(secret, shown):
        return _WRONG_PROOF
    return Verified(_named_delivery(request.headers))


def _by_password(_: Proof, request: IncomingRequest, secret: str, __: datetime) -> Verdict:
    scheme, _space, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return _NO_PROOF
    try:
        shown = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        return _WRONG_PROOF
    if not _equal(secret, shown):
        return _WRONG_PROOF
    return Verified(_named_delivery(request.headers))


def _by_token(proof: Proof, request: IncomingRequest, secret: str, now: datetime) -> Verdict:
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return _NO_PROOF
    # The kind of key decides the algorithms, never the token: a public key is no HMAC secret.
    algorithms = _ASYMMETRIC if "-----BEGIN" in secret else _SYMMETRIC
    try:
        claims = jwt.decode(
            token.strip(),
            secret,
            algorithms=algorithms,
            audience=proof.audience or None,
            issuer=proof.issuer or None,
            # The times are checked below, against the time that was given.
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": bool(proof.audience),
            },
        )
    except (jwt.PyJWTError, ValueError):
        return _WRONG_PROOF
    if not _is_timely(claims, now.timestamp()):
        return _TOO_OLD
    jti = claims.get("jti")
    return Verified(
        _named_delivery(request.headers) or (jti if isinstance(jti, str) else None), claims
    )


def _is_timely(claims: Mapping[str, Any], now: float) -> bool:
    limits = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    for name, moment in limits.items():
        if moment is None:
            continue
        if isinstance(moment, bool) or not isinstance(moment, int | float):
            return False
        late = name == "exp" and now >= moment + CLOCK_SKEW_SECONDS
        early = name != "exp" and now < moment - CLOCK_SKEW_SECONDS
        if late or early:
            return False
    return True


def _by_standard_webhooks(
    proof: Proof, request: IncomingRequest, secret: str, now: datetime
) -> Verdict:
    delivery = request.headers.get("webhook-id")
    moment = request.headers.get("webhook-timestamp")
    shown = request.headers.get("webhook-signature")
    if not delivery or not moment or not shown:
        return _NO_PROOF
    try:
        key = base64.b64decode(_padded(secret.removeprefix("whsec_")), validate=True)
    except binascii.Error:
        return Wrong("This webhook's secret is malformed.")
    if not _is_fresh(moment, proof, now):
        return _TOO_OLD
    signed = f"{delivery}.{moment}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
    parts = [part.partition(",") for part in shown.split(" ")]
    # Every signature is compared, so that the time taken tells nothing.
    matches = [version == "v1" and _equal(expected, each) for version, _comma, each in parts]
    return Verified(delivery) if any(matches) else _WRONG_PROOF


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _by_github(_: Proof, request: IncomingRequest, secret: str, __: datetime) -> Verdict:
    scheme, _sign, shown = request.headers.get("x-hub-signature-256", "").partition("=")
    if scheme != "sha256" or not shown:
        return _NO_PROOF
    expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    if not _equal(expected, shown.lower()):
        return _WRONG_PROOF
    return Verified(request.headers.get("x-github-delivery"))


def _by_slack(proof: Proof, request: IncomingRequest, secret: str, now: datetime) -> Verdict:
    moment = request.headers.get("x-slack-request-timestamp")
    shown = request.headers.get("x-slack-signature")
    if not moment or not shown:
        return _NO_PROOF
    if not _is_fresh(moment, proof, now):
        return _TOO_OLD
    signed = f"v0:{moment}:".encode() + request.body
    expected = "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    if not _equal(expected, shown):
        return _WRONG_PROOF
    return Verified(_field(request.body, "event_id"))


def _by_stripe(proof: Proof, request: IncomingRequest, secret: str, now: datetime) -> Verdict:
    shown = [part.partition("=") for part in request.headers.get("stripe-signature", "").split(",")]
    moments = [value for name, _sign, value in shown if name.strip() == "t"]
    signatures = [value for name, _sign, value in shown if name.strip() == "v1"]
    if len(moments) != 1 or not signatures:
        return _NO_PROOF
    if not _is_fresh(moments[0], proof, now):
        return _TOO_OLD
    signed = f"{moments[0]}.".encode() + request.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    matches = [_equal(expected, each) for each in signatures]
    return Verified(_field(request.body, "id")) if any(matches) else _WRONG_PROOF


def _is_fresh(moment: str, proof: Proof, now: datetime) -> bool:
    if not moment.isascii() or not moment.isdigit() or len(moment) > 12:
        return False
    return abs(now.timestamp() - int(moment)) <= proof.tolerance


def _field(body: bytes, name: str) -> str | None:
    """A text field of a JSON body that has already been verified."""
    try:
        read: object = json.loads(body)
    except ValueError:
        return None
    value = cast("JsonObject", read).get(name) if isinstance(read, dict) else None
    return value if isinstance(value, str) else None


_SCHEMES: dict[Sender, Callable[[Proof, IncomingRequest, str, datetime], Verdict]] = {
    "header": _by_header,
    "basic": _by_password,
    "jwt": _by_token,
    "standard_webhooks": _by_standard_webhooks,
    "github": _by_github,
    "slack": _by_slack,
    "stripe": _by_stripe,
}
