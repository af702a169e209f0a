"""What every trigger must do, and the recorded cron expressions and webhook signatures."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine_service.sdk.node import MAIN, Done
from engine_service.sdk.trigger import (
    Accepted,
    ClockTrigger,
    HostedTrigger,
    IncomingRequest,
    Refused,
    Trigger,
    WebhookTrigger,
)
from engine_service.triggers import TRIGGERS
from engine_service.values.ticks import BadCron, CronReading, cron_after, parse_cron
from engine_service.web.signatures import Proof, Verified, verify
from shared.workflow import JsonObject
from tests.support.recorded import DATA, json_of, lines_of
from tests.support.run_node import NOW, given, items, jsons

CLOCKS = [
    pytest.param(trigger, example, id=f"{trigger.type}-{number}")
    for trigger in TRIGGERS
    if issubclass(trigger, ClockTrigger)
    for number, example in enumerate(trigger.examples)
]
WEBHOOKS = [
    pytest.param(trigger, example, id=f"{trigger.type}-{number}")
    for trigger in TRIGGERS
    if issubclass(trigger, WebhookTrigger) and not issubclass(trigger, HostedTrigger)
    for number, example in enumerate(trigger.examples)
]
HOSTED = [
    pytest.param(trigger, example, id=f"{trigger.type}-{number}")
    for trigger in TRIGGERS
    if issubclass(trigger, HostedTrigger)
    for number, example in enumerate(trigger.examples)
]
absent = not DATA.is_dir()
recorded = pytest.mark.skipif(absent, reason="the recorded rows are not on this machine")


# --- every trigger


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda each: each.type)
def test_a_trigger_hands_on_what_the_run_was_given(trigger: type[Trigger[Any]]) -> None:
    assert trigger.inputs == ()
    assert trigger.outputs == (MAIN,)
    outcome = trigger().run(given(trigger, trigger.examples[0], items({"a": 1})))
    assert jsons(outcome) == [{"a": 1}]
    assert isinstance(outcome, Done)
    assert outcome.response is None


@pytest.mark.parametrize(("trigger", "example"), CLOCKS)
def test_a_clock_only_ever_goes_forward(
    trigger: type[ClockTrigger[Any]], example: JsonObject
) -> None:
    parameters = trigger.Parameters.model_validate(example)
    moment = NOW
    for _ in range(50):
        following = trigger().next_fire_at(parameters, moment, "Europe/Berlin")
        assert following is not None
        assert following > moment
        assert following.utcoffset() == timedelta(0)
        between = moment + (following - moment) / 2
        assert trigger().next_fire_at(parameters, between, "Europe/Berlin") == following
        moment = following
    assert trigger().tick_item(parameters, moment, "Europe/Berlin")["json"]["timestamp"]
    assert trigger().policy(parameters).missed_after > timedelta(0)


@pytest.mark.parametrize(("trigger", "example"), WEBHOOKS)
def test_a_webhook_refuses_whoever_proves_nothing(
    trigger: type[WebhookTrigger[Any]], example: JsonObject
) -> None:
    parameters = trigger.Parameters.model_validate(example)
    method = example["methods"][0] if "methods" in example else "POST"
    request = IncomingRequest(method, trigger().path(parameters), {}, "", b"", "192.0.2.1")
    answer = trigger().receive(parameters, request, "secret", NOW)
    signed = trigger.type != "trigger.webhook" or example.get("auth", "none") != "none"
    if not signed:
        assert isinstance(answer, Accepted)
        assert answer.item["json"]["method"] == method
    else:
        assert isinstance(answer, Refused)
        assert answer.status == 401


@pytest.mark.parametrize(("trigger", "example"), HOSTED)
def test_a_page_is_shown_to_whom_it_is_for_and_begins_nothing_by_being_read(
    trigger: type[HostedTrigger[Any]], example: JsonObject
) -> None:
    parameters = trigger.Parameters.model_validate(example)
    secret = example.get("secret", "")
    proof = {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    for headers, shown in ((proof, True), ({}, example.get("auth", "none") == "none")):
        request = IncomingRequest("GET", trigger().path(parameters), headers, "", b"", "192.0.2.1")
        page = trigger().page(parameters, request, secret, NOW)
        assert isinstance(page, dict) is shown
        assert secret == "" or secret not in str(page)
        assert not isinstance(trigger().receive(parameters, request, secret, NOW), Accepted)


# --- recorded cron expressions: our dialect is croniter's, with seconds in front

RANGES_WRAP = "our ranges may wrap, as in fri-mon"
LEAPS_ARE_CAUGHT_UP = "a time that the clock leaps over happens when the leap ends, not next day"
OTHER_DIALECT = {
    ("3-2 */5 * * * *", ""): RANGES_WRAP,
    ("0 30 2 11 Mar ?", "2012-03-11T00:00:00-05:00"): LEAPS_ARE_CAUGHT_UP,
    ("0 0 2 * * ?", "2012-03-11T00:00:00-05:00"): LEAPS_ARE_CAUGHT_UP,
}
NOT_ASKED_BACK = "a trigger never asks for the time before"
QUIRK_OF_VIXIE = "in our dialect `*/2` is never taken for a star, as some crons do"


def moment_and_zone(text: str, zone: str) -> tuple[datetime, ZoneInfo]:
    """Starts may name their zone in front: `TZ=America/New_York 2012-…`."""
    named, _, moment = text.rpartition(" ")
    return datetime.fromisoformat(moment), ZoneInfo(named.removeprefix("TZ=") or zone)


def static_rows() -> list[Any]:
    if absent:
        return []
    return [
        pytest.param(row, id=f"{row['expr']}-{number}", marks=_excluded(row))
        for number, row in enumerate(json_of("cron_static.json"))
    ]


def _excluded(row: JsonObject) -> list[pytest.MarkDecorator]:
    reason = OTHER_DIALECT.get((row["expr"], row.get("start", "")))
    return [] if reason is None else [pytest.mark.skip(reason)]


@recorded
@pytest.mark.parametrize("row", static_rows())
def test_a_recorded_cron_expression(row: JsonObject) -> None:
    if "error" in row:
        with pytest.raises(BadCron):
            parse_cron(row["expr"])
        return
    start, zone = moment_and_zone(row.get("start") or row["at"], row["tz"])
    if "fires" in row:
        at = start
        before = at - timedelta(seconds=1)
        assert (cron_after(row["expr"], before, zone) == at.astimezone(UTC)) == row["fires"]
        return
    expected = row["next"] and datetime.fromisoformat(row["next"]).astimezone(UTC)
    assert cron_after(row["expr"], start, zone) == expected


def seconds_first(expression: str, options: JsonObject) -> str:
    """The rows have seconds after the weekday, if any."""
    fields = expression.split()
    if len(fields) < 6 or options.get("second_at_beginning"):
        return expression
    return " ".join([fields[5], *fields[:5], *fields[6:]])


def iterated_rows() -> list[Any]:
    if absent:
        return []
    rows = lines_of("croniter_recorded.jsonl")
    return [
        pytest.param(row, id=f"{row['expr']}-{number}", marks=_out_of_scope(row))
        for number, row in enumerate(rows)
    ]


def _out_of_scope(row: JsonObject) -> list[pytest.MarkDecorator]:
    options = row["kw"]
    if row.get("op") == "get_prev":
        return [pytest.mark.skip(NOT_ASKED_BACK)]
    return [pytest.mark.skip(QUIRK_OF_VIXIE)] if options.get("implement_cron_bug") else []


@recorded
@pytest.mark.parametrize("row", iterated_rows())
def test_a_recorded_iteration(row: JsonObject) -> None:
    expression = seconds_first(row["expr"], row["kw"])
    if "error" in row:
        with pytest.raises(BadCron):
            parse_cron(expression)
        return
    zone = ZoneInfo(row["start"]["tz"] or "UTC")
    after = datetime.fromtimestamp(row["from_epoch"], UTC)
    begins = datetime.fromisoformat(row["start"]["iso"]).replace(tzinfo=zone)
    reading = CronReading(
        both_days=row["kw"].get("day_or") is False,
        counted_from=begins if row["kw"].get("expand_from_start_time") else None,
    )
    assert cron_after(expression, after, zone, reading) == _result(row["result"], zone)


def _result(result: JsonObject, zone: ZoneInfo) -> datetime:
    if "epoch" in result:
        return datetime.fromtimestamp(result["epoch"], UTC)
    named = datetime.fromisoformat(result["iso"])
    return (named if named.tzinfo else named.replace(tzinfo=zone)).astimezone(UTC)


# --- recorded webhook signatures


def signature_rows() -> list[Any]:
    rows: list[Any] = [] if absent else json_of("webhook_signatures.json")["standard_webhooks"]
    return [pytest.param(row, id=row["name"]) for row in rows]


def request(headers: dict[str, str], body: bytes) -> IncomingRequest:
    return IncomingRequest("POST", "hook", headers, "", body, "192.0.2.1")


@recorded
@pytest.mark.parametrize("row", signature_rows())
def test_a_recorded_standard_webhook(row: JsonObject) -> None:
    proof = Proof("standard_webhooks", tolerance=row["tolerance_s"])
    now = datetime.fromtimestamp(row["clock_epoch"], UTC)
    verdict = verify(proof, request(row["headers"], row["payload"].encode()), row["secret"], now)
    assert isinstance(verdict, Verified) == row["valid"]
    if isinstance(verdict, Verified):
        assert verdict.delivery_id == row["headers"]["webhook-id"]


@recorded
def test_the_recorded_signature_of_github() -> None:
    row = json_of("webhook_signatures.json")["github"]
    name, _, value = row["header"].partition(": ")
    headers = {name.lower(): value, "x-github-delivery": "d-1"}
    body = row["payload"].encode()
    proof = Proof("github")
    assert verify(proof, request(headers, body), row["secret"], NOW) == Verified("d-1")
    for changed in (body + b" ", body[:-1], b""):
        verdict = verify(proof, request(headers, changed), row["secret"], NOW)
        assert not isinstance(verdict, Verified)


@recorded
def test_the_recorded_form_of_stripes_signature() -> None:
    form = json_of("webhook_signatures.json")["stripe_form"]
    assert "t=TS,v1=HMAC_SHA256(secret, TS+'.'+payload)" in form
    body, moment = b'{"id": "evt_1"}', int(NOW.timestamp())
    signed = hmac.new(b"secret", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    for shown, valid in (
        (f"t={moment},v1={signed}", True),
        (f"t={moment},v1=00,v1={signed},v0=ignored", True),
        (f"t={moment},v0={signed}", False),
        (f"t={moment + 1},v1={signed}", False),
        (f"v1={signed}", False),
    ):
        verdict = verify(Proof("stripe"), request({"stripe-signature": shown}, body), "secret", NOW)
        assert isinstance(verdict, Verified) == valid, shown


def test_a_standard_webhook_secret_is_base64() -> None:
    key = base64.b64encode(b"k" * 24).decode()
    moment = str(int(NOW.timestamp()))
    mac = hmac.digest(b"k" * 24, f"m1.{moment}.".encode() + b"{}", "sha256")
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": moment,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    proof = Proof("standard_webhooks")
    assert verify(proof, request(headers, b"{}"), f"whsec_{key}", NOW) == Verified("m1")
    assert not isinstance(verify(proof, request(headers, b"{}"), "whsec_!!", NOW), Verified)
