"""`trigger.webhook`: an HTTP request starts the run."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.trigger import Accepted, IncomingRequest, Refused, WebhookTrigger
from engine_service.web.request_bodies import UnreadableBody, read_body, read_query
from engine_service.web.signatures import Proof, Sender, Verified, Wrong, verify
from shared.workflow import Item, JsonObject

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_STEP = r"(\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*|:[A-Za-z_][A-Za-z0-9_]*)"
# Headers that show who the sender is; a run's record must not hold them.
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


class WebhookParameters(NodeParameters):
    """Where it listens, to whom, and how it answers."""

    path: str = Field(
        max_length=200,
        # No step is only dots: what those mean, everybody on the way decides differently.
        pattern=rf"^{_STEP}(/{_STEP})*$",
        description="The address below the tenant's hooks, such as `orders/new`; a step such as "
        "`:id` stands for any, and its value comes in `params`",
    )
    methods: list[Method] = Field(
        default=["POST"], min_length=1, description="The HTTP methods it listens to"
    )
    auth: Sender = Field(
        default="none",
        description="How the sender proves who it is: a secret `header`, `basic` user and "
        "password, a signed `jwt`, or the signature scheme of standard_webhooks, github, slack or "
        "stripe",
    )
    auth_header: str = Field(
        default="x-webhook-secret",
        pattern=r"^[A-Za-z0-9-]+$",
        description="For auth header: the header that carries the secret",
    )
    secret: str = Field(
        default="",
        max_length=4_000,
        json_schema_extra={"writeOnly": True},
        description="The secret shared with the sender: `user:password` for basic, the HMAC key "
        "or a PEM public key for jwt, the signing secret that a signing sender shows you",
    )
    tolerance: int = Field(
        default=300, ge=1, le=86_400, description="Seconds a signed request may be old"
    )
    audience: str = Field(default="", description="For auth jwt: the `aud` it must have, if any")
    issuer: str = Field(default="", description="For auth jwt: the `iss` it must have, if any")
    allowed_addresses: list[str] = Field(
        default_factory=list[str],
        max_length=200,
        description="Only senders with these IP addresses or in these networks, such as "
        "`203.0.113.0/24`, as the gateway sees them; any when empty",
    )
    raw_body: bool = Field(
        default=False,
        description="Whether the item also has the body byte for byte, as base64 in `raw_body`",
    )
    response_mode: Literal["at_once", "last_node", "respond_node"] = Field(
        default="at_once",
        description="When the sender gets its answer: as soon as the request is stored, with the "
        "items of the last node, or from a `flow.respond` node",
    )


class Webhook(WebhookTrigger[WebhookParameters]):
    """Starts a run for every HTTP request to an address of its own.

    The run's item holds the request: `{headers, params, query, body, method}`. Bodies in JSON,
    forms and texts are read; header names are in lower case, and headers that carry credentials
    are left out.

    **Addresses.** The path may hold names: `orders/:id` takes `orders/7` and gives
    `{"params": {"id": "7"}}`. Where several webhooks fit, the one with fewer names is called.

    **Who may call.** `auth` checks each request before anything is stored. `header`, `basic` and
    `jwt` suit senders of your own. `standard_webhooks`, `github`, `slack` and `stripe` check the
    signatures these senders make over the raw body, in constant time; where a signature holds a
    time, requests older than `tolerance` are refused.

    **Repeats.** A delivery id that the sender gives (`webhook-id`, `x-github-delivery`, Stripe's
    and Slack's event id, `idempotency-key`) starts one run only, however often it arrives.

    **Answers.** `at_once` answers 202 with the run's id; `last_node` waits and answers with the
    last node's items; `respond_node` answers what a `flow.respond` node says.
    """

    Parameters = WebhookParameters
    type = "trigger.webhook"
    title = "Webhook"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"path": "orders", "methods": ["POST"], "response_mode": "respond_node"},
        {"path": "github", "auth": "github", "secret": "the secret set at the sender"},
        {"path": "orders/:id/notes", "methods": ["PUT", "DELETE"]},
        {
            "path": "search",
            "methods": ["GET"],
            "auth": "header",
            "secret": "a long random text",
            "response_mode": "last_node",
        },
    )
    keywords = (
        "webhook", "http request", "incoming", "endpoint", "callback", "api", "when called",
        "receive", "post", "github", "stripe", "slack", "form submission",
        "网络钩子", "回调", "接收请求", "接口", "当收到",
    )  # fmt: skip

    def example(self, parameters: WebhookParameters, now: datetime, timezone: str) -> Item:
        del now, timezone
        path = parameters.path.replace(":", "")
        request = IncomingRequest(parameters.methods[0], path, {}, "", b"", "")
        return {"json": _request_as_json(parameters, request, {}, Verified())}

    def path(self, parameters: WebhookParameters) -> str:
        return parameters.path

    def receive(
        self, parameters: WebhookParameters, request: IncomingRequest, secret: str, now: datetime
    ) -> Accepted | Refused:
        if not _may_come_from(parameters.allowed_addresses, request.remote_address):
            return Refused(403, "This webhook does not take requests from there.")
        if request.method not in parameters.methods:
            return Refused(405, f"This webhook takes {', '.join(parameters.methods)}.")
        verdict = verify(_proof_wanted(parameters), request, secret or parameters.secret, now)
        if isinstance(verdict, Wrong):
            return Refused(401, verdict.message)
        try:
            body = read_body(request.headers.get("content-type", ""), request.body)
            item = {"json": _request_as_json(parameters, request, body, verdict)}
        except UnreadableBody as error:
            return Refused(400, str(error))
        return Accepted(item, verdict.delivery_id, parameters.response_mode)

    @classmethod
    def check(cls, parameters: WebhookParameters) -> Sequence[tuple[str, str, str]]:
        names = [step for step in parameters.path.split("/") if step.startswith(":")]
        if len(set(names)) < len(names):
            return [("/path", "duplicate", "Two steps of the path have the same name.")]
        for place, entry in enumerate(parameters.allowed_addresses):
            if _network(entry) is None:
                message = f"{entry!r} is neither an IP address nor a network."
                return [(f"/allowed_addresses/{place}", "malformed", message)]
        if parameters.auth != "none" and not parameters.secret:
            return [("/secret", "missing", f"Authentication by {parameters.auth} needs a secret.")]
        if parameters.auth == "basic" and ":" not in parameters.secret:
            return [("/secret", "malformed", "Basic authentication needs `user:password`.")]
        return []


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry.strip())
    except ValueError:
        return None


def _may_come_from(allowed: Sequence[str], sender: str) -> bool:
    if not allowed:
        return True
    try:
        address = ip_address(sender)
    except ValueError:
        return False
    networks = map(_network, allowed)
    return any(network is not None and address in network for network in networks)


def _params(path: str, called: str) -> dict[str, str]:
    """What stands in the path of a request where the webhook's path has names."""
    steps = path.split("/")
    values = called.split("/")[-len(steps) :]
    named = zip(steps, values, strict=False)
    return {step[1:]: value for step, value in named if step.startswith(":")}


def _proof_wanted(parameters: WebhookParameters) -> Proof:
    return Proof(
        parameters.auth,
        parameters.auth_header.lower(),
        parameters.tolerance,
        parameters.audience,
        parameters.issuer,
    )


def _request_as_json(
    parameters: WebhookParameters, request: IncomingRequest, body: Any, verdict: Verified
) -> JsonObject:
    shown: JsonObject = {
        "method": request.method,
        "headers": _open_headers(parameters, request.headers),
        "params": _params(parameters.path, request.path),
        "query": read_query(request.query),
        "body": body,
    }
    if verdict.claims is not None:
        shown["claims"] = verdict.claims
    if parameters.raw_body:
        shown["raw_body"] = base64.b64encode(request.body).decode()
    return shown


def _open_headers(parameters: WebhookParameters, headers: Mapping[str, str]) -> dict[str, str]:
    hidden = SECRET_HEADERS
    if parameters.auth == "header":
        hidden = hidden | {parameters.auth_header.lower()}
    return {name: value for name, value in headers.items() if name not in hidden}
