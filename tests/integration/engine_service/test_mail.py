"""E-mail with the files that a run keeps."""

from pathlib import Path

from engine_service.blobs.keeper import Keeper
from engine_service.blobs.objects import Objects
from engine_service.nodes.email_send import EmailSend
from engine_service.sdk.node import Failed
from shared.clock import ManualClock
from shared.database import Database
from tests.support.accounts import Accounts, loopback
from tests.support.run_node import NOW, given, jsons, run_action, services
from tests.support.smtp_server import mail_server


async def test_a_file_of_an_item_goes_along(app_database: Database, tmp_path: Path) -> None:
    keeper = Keeper(app_database, Objects((tmp_path / "blobs").as_uri()), ManualClock(NOW))
    blobs = keeper.of("ten_a", "run_a")
    async with blobs.create("r\u00e9sum\u00e9.pdf", "application/pdf") as writer:
        await writer.send(b"%PDF")
    letter = {
        "to": "ada@example.com",
        "text": "Here it is.",
        "attachments": [{"binary": "data"}],
    }
    async with mail_server() as mail:
        accounts = Accounts(host="127.0.0.1", port=mail.port, security="none", sender="a@b.example")
        tools = services(credentials=accounts, network=loopback(), blobs=blobs)
        item = {"json": {}, "binary": {"data": writer.blob.reference()}}
        sent = await run_action(EmailSend, given(EmailSend, letter, [item]), tools)
        without = await run_action(EmailSend, given(EmailSend, letter, [{"json": {}}]), tools)
    await keeper.close()
    assert jsons(sent)[0]["accepted"] == ["ada@example.com"]
    [attached] = mail.received[0].message.iter_attachments()
    assert attached.get_filename() == "r\u00e9sum\u00e9.pdf"
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_payload(decode=True) == b"%PDF"
    assert isinstance(without, Failed)
    assert "no file 'data'" in without.message
