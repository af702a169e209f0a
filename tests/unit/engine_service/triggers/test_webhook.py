"""`trigger.webhook`: what it takes in, from whom, and what a run gets of it."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from engine_service.sdk.trigger import Accepted, IncomingRequest, Refused
from engine_service.triggers.webhook import Webhook, WebhookParameters
from shared.workflow import JsonObject
from tests.support.run_node import NOW

SECRET = "a secret that is long enough for HS256 to be content"
MOMENT = int(NOW.timestamp())


def receive(
    body: bytes | str = b"",
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    query: str = "",
    secret: str = "",
    **parameters: Any,
) -> Accepted | Refused:
    raw = body.encode() if isinstance(body, str) else body
    request = IncomingRequest(method, "orders", headers or {}, query, raw, "192.0.2.1")
    made = WebhookParameters.model_validate({"path": "orders", **parameters})
    return Webhook().receive(made, request, secret, NOW)


def item(answer: Accepted | Refused) -> JsonObject:
    assert isinstance(answer, Accepted), answer
    return answer.item["json"]


# --- what a run gets


def test_a_run_gets_the_request() -> None:
    answer = receive(
        '{"a": 1}',
        {"content-type": "application/json", "x-own": "yes"},
        query="q=1&l=a&l=b&empty=",
        response_mode="respond_node",
    )
    assert item(answer) == {
        "method": "POST",
        "headers": {"content-type": "application/json", "x-own": "yes"},
        "params": {},
        "query": {"q": "1", "l": ["a", "b"], "empty": ""},
        "body": {"a": 1},
    }
    assert isinstance(answer, Accepted)
    assert (answer.response_mode, answer.delivery_id) == ("respond_node", None)


MULTIPART = (
    b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n"
    b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n2\r\n'
    b'--b\r\ncontent-disposition: form-data; name="f"; filename="x.bin"\r\n'
    b"content-type: application/octet-stream\r\n\r\n\0\1\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b"[1]", [1]),
        ("application/vnd.api+json; charset=utf-8", b"null", None),
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=%C3%BC+x", {"a": ["1", "2"], "b": "ü x"}),
        ("text/plain; charset=latin-1", b"\xfc", "ü"),
        ("application/xml", b"<a/>", "<a/>"),
        ("", b'{"a": 1}', {"a": 1}),
        ("", b"just text", "just text"),
        ("", b"", {}),
        ("application/json", b"", {}),
        ("application/pdf", b"\0", {"content_type": "application/pdf", "base64": "AA=="}),
        (
            "multipart/form-data; boundary=b",
            MULTIPART,
            {
                "a": ["1", "2"],
                "f": {
                    "filename": "x.bin",
                    "content_type": "application/octet-stream",
                    "base64": "AAE=",
                },
            },
        ),
    ],
)
def test_a_body_is_read_as_its_type(content_type: str, body: bytes, expected: object) -> None:
    assert item(receive(body, {"content-type": content_type}))["body"] == expected


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"NaN"),
        ("application/json", b"\xff"),
        ("application/json", b"[" * 200_000),
        ("text/plain; charset=klingon", b"x"),
        ("text/plain", b"\xff"),
        ("multipart/form-data; boundary=b", b"no parts"),
        ("multipart/form-data", b"x"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 2000)),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(content_type: str, body: bytes) -> None:
    answer = receive(body, {"content-type": content_type})
    assert isinstance(answer, Refused)
    assert answer.status == 400


FIELD = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=b", (FIELD + b"1\r\n") * 20_000 + b"--b--"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"x: y\r\n" * 200_000 + b"\r\n1\r\n--b--"),
        (
            "multipart/form-data; boundary=b0",
            b"".join(
                b"--b%d\r\ncontent-type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
                for n in range(2_000)
            ),
        ),
        ("application/json", b"[" + b",".join([b"1" * 4_000] * 1_000) + b"]"),
        ("text/plain; charset=punycode", b"x" * 200_000),
        ("text/plain; charset=undefined", b"x"),
        ("text/plain; charset=utf-7", b"+2AA-"),
        ("text/plain; charset=" + "x" * 5_000, b"x"),
    ],
    ids=["many parts", "long head", "nested", "digits", "punycode", "undefined", "utf-7", "name"],
)
def test_a_body_that_would_keep_the_engine_busy_is_refused(content_type: str, body: bytes) -> None:
    began = time.process_time()
    answer = receive(body, {"content-type": content_type})
    assert time.process_time() - began < 1
    assert isinstance(answer, Refused)
    assert len(answer.message) < 200


def test_a_long_text_in_a_form_is_read_at_once() -> None:
    text = b"\n" * 1_000_000 + b"--bc\r\n--b c\n"
    began = time.process_time()
    answer = receive(
        FIELD + text + b"\r\n--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}
    )
    assert time.process_time() - began < 1
    assert item(answer)["body"] == {"a": text.decode()}


def test_other_methods_are_refused() -> None:
    answer = receive(method="GET")
    assert answer == Refused(405, "This webhook takes POST.")
    assert isinstance(receive(method="GET", methods=["GET", "POST"]), Accepted)


def test_credentials_are_not_in_the_record_of_a_run() -> None:
    headers = {"x-key": SECRET, "authorization": "Bearer x", "cookie": "s=1", "x-open": "1"}
    answer = receive(headers=headers, auth="header", auth_header="X-Key", secret=SECRET)
    assert item(answer)["headers"] == {"x-open": "1"}


# --- who may call


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def token(claims: JsonObject, key: str = SECRET, algorithm: str = "HS256") -> dict[str, str]:
    return {"authorization": f"Bearer {jwt.encode(claims, key, algorithm)}"}


def slack(body: str, moment: int = MOMENT) -> dict[str, str]:
    signed = f"v0:{moment}:{body}".encode()
    mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": str(moment), "x-slack-signature": f"v0={mac}"}


@pytest.mark.parametrize(
    ("parameters", "headers", "accepted"),
    [
        ({"auth": "header"}, {"x-webhook-secret": SECRET}, True),
        ({"auth": "header"}, {"x-webhook-secret": SECRET + "x"}, False),
        ({"auth": "header"}, {"x-webhook-secret": ""}, False),
        ({"auth": "basic", "secret": "u:pä"}, {"authorization": basic("u:pä")}, True),
        ({"auth": "basic", "secret": "u:p"}, {"authorization": basic("u:q")}, False),
        ({"auth": "basic", "secret": "u:p"}, {"authorization": "Basic %%"}, False),
        ({"auth": "basic", "secret": "u:p"}, {"authorization": "Bearer x"}, False),
        ({"auth": "jwt"}, token({"sub": "a", "exp": MOMENT + 60}), True),
        ({"auth": "jwt"}, token({"exp": MOMENT - 61}), False),
        ({"auth": "jwt"}, token({"nbf": MOMENT + 61}), False),
        ({"auth": "jwt"}, token({"exp": "soon"}), False),
        ({"auth": "jwt"}, token({}, "another secret that is long enough too!!"), False),
        ({"auth": "jwt"}, {"authorization": "Bearer a.b.c"}, False),
        ({"auth": "jwt", "audience": "us"}, token({"aud": "us"}), True),
        ({"auth": "jwt", "audience": "us"}, token({"aud": "them"}), False),
        ({"auth": "jwt", "issuer": "i"}, token({"iss": "other"}), False),
        ({"auth": "slack"}, slack(""), True),
        ({"auth": "slack"}, slack("", MOMENT - 301), False),
        ({"auth": "slack"}, slack("other"), False),
    ],
)
def test_only_who_proves_it_may_call(
    parameters: JsonObject, headers: dict[str, str], accepted: bool
) -> None:
    answer = receive(headers=headers, **{"secret": SECRET, **parameters})
    assert isinstance(answer, Accepted) == accepted
    if isinstance(answer, Refused):
        assert answer.status == 401
        assert SECRET not in answer.message


def test_a_token_without_signature_is_worth_nothing() -> None:
    unsigned = jwt.encode({"sub": "a"}, "", "none")
    answer = receive(headers={"authorization": f"Bearer {unsigned}"}, auth="jwt", secret=SECRET)
    assert isinstance(answer, Refused)


def test_a_public_key_is_no_shared_secret() -> None:
    """A token signed with the public key as HMAC secret, which everybody knows."""
    public = (
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
    )
    header = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    payload = base64.urlsafe_b64encode(b"{}").rstrip(b"=").decode()
    mac = hmac.digest(public.encode(), f"{header}.{payload}".encode(), "sha256")
    forged = f"{header}.{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    answer = receive(headers={"authorization": f"Bearer {forged}"}, auth="jwt", secret=public)
    assert isinstance(answer, Refused)


def test_the_claims_of_a_token_are_part_of_the_item() -> None:
    answer = receive(headers=token({"sub": "ada", "jti": "t-1"}), auth="jwt", secret=SECRET)
    assert item(answer)["claims"]["sub"] == "ada"
    assert isinstance(answer, Accepted)
    assert answer.delivery_id == "t-1"


@pytest.mark.parametrize("auth", ["header", "basic", "jwt", "standard_webhooks", "github"])
def test_a_webhook_without_its_secret_lets_nobody_in(auth: str) -> None:
    headers = {"x-webhook-secret": "", "authorization": basic(""), "x-hub-signature-256": "sha256="}
    answer = receive(headers=headers, auth=auth)
    assert isinstance(answer, Refused)
    assert answer.status == 401
    parameters = WebhookParameters.model_validate({"path": "p", "auth": auth})
    assert [code for _, code, _ in Webhook.check(parameters)] == ["missing"]


# --- which delivery it is


def test_slack_and_stripe_name_the_event_in_the_body() -> None:
    body = json.dumps({"event_id": "Ev1", "id": "evt_1"})
    answer = receive(body, slack(body), auth="slack", secret=SECRET)
    assert isinstance(answer, Accepted)
    assert answer.delivery_id == "Ev1"
    mac = hmac.new(SECRET.encode(), f"{MOMENT}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"stripe-signature": f"t={MOMENT},v1={mac}"}
    answer = receive(body, headers, auth="stripe", secret=SECRET)
    assert isinstance(answer, Accepted)
    assert answer.delivery_id == "evt_1"


@pytest.mark.parametrize("name", ["webhook-id", "idempotency-key", "x-github-delivery"])
def test_other_senders_may_name_their_delivery(name: str) -> None:
    answer = receive(headers={name: "d-1"})
    assert isinstance(answer, Accepted)
    assert answer.delivery_id == "d-1"


@pytest.mark.parametrize("path", ["a", "a.b", ".well-known/x", "a/b-c/~d"])
def test_a_path_may_have_steps(path: str) -> None:
    assert WebhookParameters.model_validate({"path": path}).path == path


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "a b", "ä", "a?b", "..", ".", "../a", "a/./b", "a/.."]
)
def test_a_path_is_a_plain_one(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        WebhookParameters.model_validate({"path": path})
