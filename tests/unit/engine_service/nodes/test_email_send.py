"""`email.send` against a real SMTP server on loopback."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine_service.credentials.smtp_account import SmtpAccount, SmtpFields
from engine_service.nodes.email_send import EmailSend
from engine_service.sdk.node import Done, Failed, NodeError, Outcome
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from shared.workflow import JsonObject
from tests.support.accounts import Accounts, loopback
from tests.support.certificates import make_certificates
from tests.support.run_node import given, jsons, run_action, services
from tests.support.smtp_server import MailServer, mail_server

LETTER: JsonObject = {"to": "ada@example.com", "subject": "Hi", "text": "Hello.\n"}
SENDER = "Flow <flow@example.com>"


async def send(
    mail: MailServer, *letters: JsonObject, network: Any = None, key: str = "k", **account: Any
) -> Outcome:
    """Send one letter for each of the parameters."""
    told = {"host": "127.0.0.1", "port": mail.port, "security": "none", "sender": SENDER}
    what = given(EmailSend, [{**LETTER, **one} for one in letters], [{"json": {}} for _ in letters])
    accounts = Accounts(**{**told, **account})
    tools = services(credentials=accounts, network=network or loopback(), key=key)
    return await run_action(EmailSend, what, tools)


def failed(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


async def test_a_letter_arrives_as_it_was_written() -> None:
    async with mail_server() as mail:
        outcome = await send(
            mail,
            {
                "to": ["Ada Lövelace <ada@example.com>", "bob@example.com, cy@example.com"],
                "cc": "dora@example.com",
                "bcc": ["eve@example.com"],
                "reply_to": "answers@example.com",
                "subject": "Grüße 你好",
                "text": "plain",
                "html": "<b>rich</b>",
            },
        )
    letter = mail.received[0]
    message = letter.message
    everybody = [f"{name}@example.com" for name in ("ada", "bob", "cy", "dora", "eve")]
    assert letter.recipients == everybody
    assert letter.sender == "flow@example.com"
    assert str(message["From"]) == SENDER
    assert "Ada Lövelace" in str(message["To"])
    assert str(message["Cc"]) == "dora@example.com"
    assert str(message["Reply-To"]) == "answers@example.com"
    assert str(message["Subject"]) == "Grüße 你好"
    assert b"eve" not in letter.content
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]
    assert jsons(outcome) == [
        {
            "message_id": str(message["Message-ID"]),
            "accepted": everybody,
            "rejected": {},
            "response": "OK",
        }
    ]


async def test_files_go_along() -> None:
    files = [
        {"filename": "ü.csv", "content_type": "text/csv", "text": "a,b\n"},
        {"filename": "x.bin", "base64": base64.b64encode(b"\x00\xff").decode()},
    ]
    async with mail_server() as mail:
        await send(mail, {"attachments": files})
    attached: list[Any] = list(mail.received[0].message.iter_attachments())
    assert [(each.get_filename(), each.get_content_type()) for each in attached] == [
        ("ü.csv", "text/csv"),
        ("x.bin", "application/octet-stream"),
    ]
    assert [each.get_payload(decode=True) for each in attached] == [b"a,b\n", b"\x00\xff"]


async def test_a_repeat_has_the_same_message_id_and_other_items_others() -> None:
    async with mail_server() as mail:
        first = jsons(await send(mail, {}, {}, key="run_1:mail"))
        again = jsons(await send(mail, {}, {}, key="run_1:mail"))
        other = jsons(await send(mail, {}, key="run_2:mail"))
    ids = [each["message_id"] for each in first]
    assert [each["message_id"] for each in again] == ids
    assert len({*ids, other[0]["message_id"]}) == 3
    assert ids[0].endswith("@example.com>")


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_who_signs_in_does_so_over_tls(tmp_path: Path, security: str) -> None:
    certificates = make_certificates(tmp_path, "mail.example.com")

    async def here(_: str, __: int) -> Sequence[str]:
        return ["127.0.0.1"]

    allowed = AllowList.parse(["127.0.0.1/32"])
    network = GuardedNetwork(allowed, resolver=here, tls=certificates.client)
    account = {"host": "mail.example.com", "username": "ada", "security": security}
    async with mail_server(tls=certificates.server, security=security, ada="s3cret") as mail:
        outcome = await send(mail, {}, network=network, **account, password="s3cret")
        assert isinstance(outcome, Done), outcome
        wrong = failed(await send(mail, {}, network=network, **account, password="wrong"))
        untrusting = GuardedNetwork(allowed, resolver=here)
        refused = failed(await send(mail, {}, network=untrusting, **account, password="s3cret"))
    assert wrong.code == "login_failed"
    assert not wrong.retryable
    assert refused.code == "tls_failed"
    assert set(mail.logins) == {"ada"}
    assert len(mail.received) == 1


async def test_a_server_without_tls_gets_no_password() -> None:
    async with mail_server() as mail:
        outcome = await send(mail, {}, username="ada", password="s3cret", security="starttls")
    assert failed(outcome).code == "tls_failed"
    assert mail.logins == []


async def test_what_a_server_says_of_recipients_is_told() -> None:
    async with mail_server() as mail:
        mail.refusals = {"gone@example.com": "550 no such user"}
        mixed = await send(mail, {"to": "ada@example.com, gone@example.com"})
        none = await send(mail, {"to": "gone@example.com"})
        mail.refusals = {"gone@example.com": "450 try later"}
        later = await send(mail, {"to": "gone@example.com"})
    assert jsons(mixed)[0]["accepted"] == ["ada@example.com"]
    assert jsons(mixed)[0]["rejected"] == {"gone@example.com": "no such user"}
    assert (failed(none).code, failed(none).retryable) == ("mail_refused", False)
    assert (failed(later).code, failed(later).retryable) == ("mail_deferred", True)


async def test_nobody_knows_of_a_letter_when_the_connection_breaks() -> None:
    async with mail_server() as mail:
        mail.on_data = "drop"
        lost = failed(await send(mail, {}))
    assert lost.code == "connection_lost"
    assert not lost.outcome_known


async def test_one_bad_item_does_not_keep_the_others() -> None:
    async with mail_server() as mail:
        outcome = await send(mail, {}, {"to": "no address"}, {})
    assert isinstance(outcome, Done)
    assert [failure.index for failure in outcome.failures] == [1]
    assert len(mail.received) == 2


@pytest.mark.parametrize(
    "letter",
    [
        {"to": ""},
        {"to": "ada@example.com\nBcc: eve@example.com"},
        {"subject": "Hi\r\nBcc: eve@example.com"},
        {"sender": "a@example.com, b@example.com"},
        {"to": "ada@"},
        {"attachments": [{"filename": "x", "base64": "!!"}]},
    ],
)
async def test_nothing_can_be_smuggled_into_a_letter(letter: JsonObject) -> None:
    async with mail_server() as mail:
        outcome = await send(mail, letter)
    assert failed(outcome).code == "bad_letter"
    assert mail.received == []


async def test_the_account_is_bound_to_its_server_and_the_guard_stands_before_it() -> None:
    async with mail_server() as mail:
        guarded = await send(mail, {}, network=GuardedNetwork(AllowList()))
    assert failed(guarded).code == "address_refused"


async def test_an_account_is_tried_out_by_signing_in() -> None:
    async with mail_server(ada="s3cret") as mail:
        fields = SmtpFields(
            host="127.0.0.1", port=mail.port, security="none", username="ada", password="s3cret"
        )
        await SmtpAccount().try_out(fields, loopback())
        wrong = fields.model_copy(update={"password": "wrong"})
        with pytest.raises(NodeError) as caught:
            await SmtpAccount().try_out(wrong, loopback())
    assert caught.value.failure.code == "login_failed"
    assert mail.received == []
