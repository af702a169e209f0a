"""`data.file`: tables, documents, calendars and archives, to items and back."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pytest

from engine_service.nodes.data_file import DataFile
from engine_service.sdk.node import Done, Failed, Outcome
from shared.workflow import Item, JsonObject
from tests.support.file_store import FileStore
from tests.support.run_node import given, items, jsons, run_action, services

ROWS: list[JsonObject] = [{"name": "Ann, Ü", "age": 3, "tags": ["a"]}, {"name": "B\n", "ok": True}]


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


async def work(store: FileStore, what: list[Item], **parameters: object) -> Outcome:
    return await run_action(DataFile, given(DataFile, parameters, what), services(blobs=store))


async def read(store: FileStore, data: bytes, name: str, **parameters: object) -> Outcome:
    file = await store.put(data, name)
    return await work(store, [{"json": {}, "binary": {"data": file}}], **parameters)


async def written(store: FileStore, outcome: Outcome, name: str = "data") -> tuple[str, bytes]:
    assert isinstance(outcome, Done), outcome
    file = outcome.outputs["main"][0]["binary"][name]
    return file["file_name"], await store.read(file)


async def test_a_table_of_a_page_can_be_read_back(store: FileStore) -> None:
    rows: list[JsonObject] = [{"a": '<b> & "', "n": {"x": [1, None], "y": {}}}, {"a": "007"}]
    outcome = await work(store, items(*rows), operation="write", format="html", flatten=True)
    name, page = await written(store, outcome)
    assert name == "file.html"
    assert b"&lt;b&gt;" in page
    back = await read(store, page, "t.html")
    assert jsons(back) == [{"a": '<b> & "', "n.x.0": 1}, {"a": "007"}]


async def test_a_page_without_a_table_is_refused(store: FileStore) -> None:
    outcome = await read(store, b"<p>nothing", "a.html")
    assert isinstance(outcome, Done)
    assert [failure.code for failure in outcome.failures] == ["file_unreadable"]


@pytest.mark.parametrize(
    ("data", "name", "parameters", "rows"),
    [
        (b"\xef\xbb\xbfa,b\n1,x\n\n2,\n", "a.csv", {}, [{"a": "1", "b": "x"}, {"a": "2", "b": ""}]),
        (b'a\tb\n"x\ny"\t2\n', "a.tsv", {}, [{"a": "x\ny", "b": "2"}]),
        (b"1;2\n", "a.csv", {"delimiter": ";", "header": False},
         [{"column_1": "1", "column_2": "2"}]),
        (b"note\na,a\n1,2,3\n", "a.csv", {"skip_rows": 1},
         [{"a": "1", "a_1": "2", "column_3": "3"}]),
        ("ä\nö\n".encode("latin-1"), "a.csv", {"encoding": "latin-1"}, [{"ä": "ö"}]),
        (b"a\n1\n2\n3\n", "a.csv", {"max_items": 2}, [{"a": "1"}, {"a": "2"}]),
        (b"<p>x</p><table><tr><th>a<th>b</tr><tr><td>1.5</td><td></td></tr></table><table>",
         "a.html", {}, [{"a": 1.5}]),
        (b'[{"a":1}, 2 ]', "a.json", {}, [{"a": 1}, {"data": 2}]),
        (b'[{"a":1}]', "a.json", {"split_items": False}, [{"data": [{"a": 1}]}]),
        (b'{"a":[1]}', "a.json", {}, [{"a": [1]}]),
        (b'{"a":1}\n\n[2]\n', "a.jsonl", {}, [{"a": 1}, {"data": [2]}]),
        ("grüß".encode(), "a.txt", {"output_field": "t"}, [{"t": "grüß"}]),
        (b"\x00\xff", "a.bin", {"format": "base64"}, [{"data": "AP8="}]),
    ],
)  # fmt: skip
async def test_what_files_hold_becomes_items(
    store: FileStore, data: bytes, name: str, parameters: JsonObject, rows: list[JsonObject]
) -> None:
    assert jsons(await read(store, data, name, **parameters)) == rows


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        (b"a,\xff\n1,2\n", {"format": "csv"}),
        (b"[1, 2", {"format": "json"}),
        (b"[1 2]", {"format": "json"}),
        (b"{}\nx\n", {"format": "jsonl"}),
        (b"no workbook", {"format": "xlsx"}),
        (b"no calendar", {"format": "ics"}),
        (b"no archive", {"operation": "decompress"}),
        (b"a\n1\n", {"format": "csv", "encoding": "no-such"}),
    ],
)
async def test_what_cannot_be_read_fails_its_item(
    store: FileStore, data: bytes, parameters: JsonObject
) -> None:
    outcome = await read(store, data, "file", **parameters)
    assert isinstance(outcome, Done)
    assert [failure.code for failure in outcome.failures] == ["file_unreadable"]


async def test_an_item_without_the_file_says_which_it_has(store: FileStore) -> None:
    file = await store.put(b"x", "x.txt")
    outcome = await work(store, [{"json": {}, "binary": {"other": file}}])
    assert isinstance(outcome, Done)
    [failure] = outcome.failures
    assert failure.code == "file_missing"
    assert "other" in failure.message


async def test_more_than_an_output_may_hold_is_refused_while_it_is_read(store: FileStore) -> None:
    outcome = await read(store, b"a\n" + b"x" * 100_000 + b"\n" * 200, "a.csv")
    assert len(jsons(outcome)) == 1
    many = b"a\n" + (b"x" * 100_000 + b"\n") * 90 + b"y\n"
    wide = given(DataFile, {}, [{"json": {}, "binary": {"data": await store.put(many, "a.csv")}}])
    few = services(blobs=store, most_bytes=1_000_000)
    outcome = await run_action(DataFile, wide, few)
    assert isinstance(outcome, Done)
    assert outcome.failures[0].code == "output_too_large"


@pytest.mark.parametrize(
    ("parameters", "name", "data"),
    [
        ({"format": "csv"}, "file.csv", 'name,age,tags,ok\n"Ann, Ü",3,"[""a""]",\n"B\n",,,true\n'),
        ({"format": "csv", "delimiter": ";", "header": False, "bom": True, "file_name": "x.csv"},
         "x.csv", '\ufeffAnn, Ü;3;"[""a""]";\n"B\n";;;true\n'),
        ({"format": "text", "source_field": "name"}, "file.txt", "Ann, Ü\nB\n"),
        ({"format": "jsonl"}, "file.jsonl", None),
        ({"format": "json"}, "file.json", None),
    ],
)  # fmt: skip
async def test_items_become_a_file(
    store: FileStore, parameters: JsonObject, name: str, data: str | None
) -> None:
    outcome = await work(store, items(*ROWS), operation="write", **parameters)
    told, content = await written(store, outcome)
    assert told == name
    if data is not None:
        assert content.decode() == data
    elif parameters["format"] == "json":
        assert json.loads(content) == ROWS
    else:
        assert [json.loads(line) for line in content.splitlines()] == ROWS


async def test_a_file_for_each_item(store: FileStore) -> None:
    outcome = await work(
        store, items(*ROWS), operation="write", format="json", per_item=True, pretty=True
    )
    assert isinstance(outcome, Done)
    files = [item["binary"]["data"] for item in outcome.outputs["main"]]
    assert [json.loads(await store.read(file)) for file in files] == ROWS
    assert (await store.read(files[0])).startswith(b'{\n  "name"')
    assert [item["paired_item"] for item in outcome.outputs["main"]] == [0, 1]


async def test_base64_becomes_bytes(store: FileStore) -> None:
    parameters = {"operation": "write", "format": "base64", "source_field": "d.x"}
    outcome = await work(store, items({"d": {"x": "data:image/png;base64,AP8="}}), **parameters)
    assert await written(store, outcome) == ("file.bin", b"\x00\xff")
    for wrong in ({"d": {"x": "?"}}, {}):
        outcome = await work(store, items(wrong), **parameters)
        assert isinstance(outcome, Failed)
        assert outcome.code == "file_unwritable"


async def test_a_workbook_goes_both_ways(store: FileStore) -> None:
    outcome = await work(store, items(*ROWS), operation="write", format="xlsx", sheet="Folk")
    name, content = await written(store, outcome)
    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames == ["Folk"]
    assert jsons(await read(store, content, name)) == [
        {"name": "Ann, Ü", "age": 3, "tags": '["a"]'},
        {"name": "B\n", "ok": True},
    ]
    outcome = await read(store, content, name, sheet="None")
    assert isinstance(outcome, Done)
    assert "Folk" in outcome.failures[0].message


async def test_events_go_both_ways(store: FileStore) -> None:
    event: JsonObject = {
        "summary": "Talk",
        "start": "2026-03-02T09:00:00+00:00",
        "end": "2026-03-02T10:00:00+00:00",
        "attendees": ["ann@example.com"],
    }
    day = {"summary": "Off", "start": "2026-03-03", "all_day": True}
    outcome = await work(store, items(event, day), operation="write", format="ics")
    name, content = await written(store, outcome)
    told = jsons(await read(store, content, name))
    assert {key: told[0][key] for key in event} == event
    assert (told[1]["start"], told[1]["end"], told[1]["all_day"]) == (
        "2026-03-03", "2026-03-04", True,
    )  # fmt: skip
    outcome = await work(store, items({"summary": "when?"}), operation="write", format="ics")
    assert isinstance(outcome, Failed)


async def test_files_are_packed_and_unpacked(store: FileStore) -> None:
    files = {"a": await store.put(b"one", "x.txt"), "b": await store.put(b"two", "x.txt")}
    what: list[Item] = [{"json": {"n": 1}, "binary": files}]
    packed = await work(
        store, what, operation="compress", file_field="a, b", output_field="z", file_name="z.zip"
    )
    name, content = await written(store, packed, "z")
    assert name == "z.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["x.txt", "x_1.txt"]
    assert isinstance(packed, Done)
    outcome = await work(store, packed.outputs["main"], operation="decompress", file_field="z")
    assert isinstance(outcome, Done)
    [item] = outcome.outputs["main"]
    assert item["json"] == {"n": 1}
    assert [await store.read(item["binary"][f"data_{n}"]) for n in (0, 1)] == [b"one", b"two"]


async def test_gzip_goes_both_ways(store: FileStore) -> None:
    file = await store.put(b"one" * 1000, "x.txt")
    what: list[Item] = [{"json": {}, "binary": {"data": file}}]
    packed = await work(store, what, operation="compress", archive="gzip", output_field="g")
    name, content = await written(store, packed, "g")
    assert (name, gzip.decompress(content)) == ("x.txt.gz", b"one" * 1000)
    assert isinstance(packed, Done)
    outcome = await work(store, packed.outputs["main"], operation="decompress", file_field="g")
    assert await written(store, outcome) == ("x.txt", b"one" * 1000)


async def test_what_unpacks_to_far_more_than_it_is_is_refused(store: FileStore) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("zeros", bytes(32 * 1024 * 1024))
    large = FileStore(store.directory, most=1 << 30)
    for data, name in ((bomb.getvalue(), "b.zip"), (gzip.compress(bytes(1 << 25)), "b.gz")):
        outcome = await read(large, data, name, operation="decompress")
        assert isinstance(outcome, Done)
        assert outcome.failures[0].code == "file_unreadable", name
