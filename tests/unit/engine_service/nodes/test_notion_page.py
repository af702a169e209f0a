"""`notion.page` against a workspace on loopback."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine_service.nodes.notion_page import NotionPage
from engine_service.sdk.node import Done, Failed, Outcome
from tests.support.connectors import Desk, credential, desk
from tests.support.run_node import jsons
from tests.support.vendors.notion import TOKEN, FakeNotion, no

US = credential("notion.token", {"token": TOKEN})


@pytest.fixture
def notion() -> FakeNotion:
    return FakeNotion()


@pytest.fixture
async def office(notion: FakeNotion) -> AsyncIterator[Desk]:
    async with desk(notion) as made:
        yield made


async def do(office: Desk, operation: str, **fields: Any) -> Outcome:
    return await office.run(NotionPage, {"operation": operation, **fields}, US)


async def test_a_page_goes_into_a_database_with_its_text(office: Desk, notion: FakeNotion) -> None:
    status = {"status": {"name": "Open"}}
    text = "One\n\n" + "x" * 2_500
    await do(
        office, "create", database_id="db", title="Plan", title_property="Name", text=text,
        properties={"Status": status},
    )  # fmt: skip
    [sent] = notion.pages
    assert sent["parent"] == {"database_id": "db"}
    title = {"title": [{"type": "text", "text": {"content": "Plan"}}]}
    assert sent["properties"] == {"Name": title, "Status": status}
    texts = [block["paragraph"]["rich_text"] for block in sent["children"]]
    assert [[len(part["text"]["content"]) for part in one] for one in texts] == [[3], [2000, 500]]


async def test_a_page_is_changed_and_archived(office: Desk, notion: FakeNotion) -> None:
    await do(office, "create", parent_page_id="p", title="Plan")
    await do(office, "update", page_id="p0", properties={"Done": {"checkbox": True}})
    assert notion.seen[-1].json() == {"properties": {"Done": {"checkbox": True}}}
    [archived] = jsons(await do(office, "archive", page_id="p0"))
    assert archived["archived"] is True


PROPERTIES = {
    "Name": {"type": "title", "title": [{"plain_text": "Pl"}, {"plain_text": "an"}]},
    "Status": {"type": "status", "status": {"name": "Open"}},
    "None": {"type": "select", "select": None},
    "Tags": {"type": "multi_select", "multi_select": [{"name": "a"}, {"name": "b"}]},
    "Due": {"type": "date", "date": {"start": "2026-03-02"}},
    "Sum": {"type": "formula", "formula": {"type": "number", "number": 3}},
    "All": {"type": "rollup", "rollup": {"type": "array", "array": [
        {"type": "number", "number": 1}]}},
    "Who": {"type": "people", "people": [{"id": "u", "name": "Ada"}]},
}  # fmt: skip


async def test_values_are_plain_unless_they_are_wanted_raw(
    office: Desk, notion: FakeNotion
) -> None:
    notion.pages = [{"object": "page", "id": "p0", "url": "u", "properties": PROPERTIES}]
    assert jsons(await do(office, "get", page_id="p0")) == [{
        "id": "p0", "url": "u", "properties": {
            "Name": "Plan", "Status": "Open", "None": None, "Tags": ["a", "b"],
            "Due": {"start": "2026-03-02"}, "Sum": 3, "All": [1], "Who": ["Ada"]},
    }]  # fmt: skip
    assert jsons(await do(office, "get", page_id="p0", raw=True)) == notion.pages


async def test_a_query_follows_its_cursor_in_the_body(office: Desk, notion: FakeNotion) -> None:
    notion.pages = [{"object": "page", "id": str(n), "properties": {}} for n in range(230)]
    wanted = {"property": "Done", "checkbox": {"equals": False}}
    found = await do(office, "query_database", database_id="db", filter=wanted, limit=None)
    assert [one["id"] for one in jsons(found)] == [str(n) for n in range(230)]
    asked = [seen.json() for seen in notion.seen]
    assert [one.get("start_cursor") for one in asked] == [None, "100", "200"]
    assert all(one["filter"] == wanted for one in asked)
    assert len(jsons(await do(office, "query_database", database_id="db", limit=5))) == 5
    assert notion.seen[-1].json() == {"page_size": 5}


async def test_blocks_are_added_and_read(office: Desk, notion: FakeNotion) -> None:
    await do(office, "append_blocks", block_id="p0", text="One\nTwo")
    assert len(jsons(await do(office, "blocks", block_id="p0"))) == 2
    assert notion.seen[-1].query == {"page_size": "100"}


async def test_refusals_and_limits(office: Desk, notion: FakeNotion) -> None:
    outcome = await do(office, "get", page_id="none")
    assert isinstance(outcome, Failed)
    assert outcome.code == "not_found"
    assert "Could not find page" in outcome.message
    busy, clash = no(429, "rate_limited", "slow down"), no(409, "conflict_error", "again")
    busy.headers["retry-after"] = clash.headers["retry-after"] = "0"
    notion.spells = [busy, clash]
    assert isinstance(await do(office, "search", query=""), Done)
