"""Nothing that was said is lost: a clause becomes a node or a parameter, or is named as undone."""

import json

import pytest

from agent_service.authors.offline.compose import Composition, compose
from agent_service.authors.offline.reader import read
from tests.support.catalogues import engine_catalogue

STARTS = [
    "every weekday at 9",
    "when a webhook arrives with an order",
    "当收到订单时",
]
CLAUSES = {
    # what is said: a word that its trace holds
    "fetch https://a.example.com/first": "a.example.com/first",
    "if the amount is over 77 ask me for approval": "77",
    "for each item with price over 83 post it to https://b.example.com/each": "83",
    "POST it to https://c.example.com/post": "c.example.com/post",
    "wait 37 minutes": "37",
    "frobnicate the widget": "frobnicate the widget",
    "notify me": "notify me",
    "notify me on Mattermost": "Mattermost",
    "sort them by weight": "weight",
    "keep the top 19": "19",
    "if the moon shines POST it to https://d.example.com/moon": "moon shines",
    "save it in the ledger of the parish": "ledger of the parish",
    "请我审批": "human.approval",
    "通知我": "通知我",
    "如果金额大于91，POST到 https://e.example.com/han": "91",
    "按重量排序": "重量",
    "给花园浇浇水": "给花园浇浇水",
}
# Each one before four others; all pairs together take a minute.
PAIRS = [
    (first, list(CLAUSES)[(place + step) % len(CLAUSES)])
    for place, first in enumerate(CLAUSES)
    for step in (0, 1, 5, 8)
]


def _composed(said: str) -> Composition:
    return compose(read([said], {}), engine_catalogue())


def _told(composition: Composition) -> str:
    """All that a person sees of it: the definition, and what the answer says besides."""
    shown = [composition.definition, list(composition.assumptions)]
    return json.dumps(shown, ensure_ascii=False)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_each_clause_leaves_a_trace(start: str, first: str, second: str) -> None:
    told = _told(_composed(f"{start}, {first}, then {second}"))
    assert CLAUSES[first] in told
    assert CLAUSES[second] in told


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("clause", ["juggle the balls", "then 浇浇花"])
def test_what_has_no_node_is_a_placeholder_that_the_answer_names(start: str, clause: str) -> None:
    composition = _composed(f"{start}, wait 1 minute, {clause}")
    unmatched = [
        node for node in composition.definition["nodes"] if node["id"] in composition.unmatched
    ]
    assert any("balls" in node["notes"] or "浇浇花" in node["notes"] for node in unmatched)


def test_what_tells_how_things_are_is_named_and_no_step() -> None:
    composition = _composed(
        "We are a small shop in Lisbon. When a webhook arrives, POST it to https://a.example.com/b"
    )
    assert [node["type"] for node in composition.definition["nodes"]] == [
        "trigger.webhook",
        "http.request",
    ]
    assert any("small shop in Lisbon" in one for one in composition.assumptions)


def test_what_nothing_leads_to_is_named() -> None:
    composition = _composed(
        "when a webhook arrives, stop with an error, then POST it to https://a.example.com/b"
    )
    assert any("https://a.example.com/b" in one for one in composition.assumptions)


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("for each item with price over 10 post it to https://a.example.com/b", 10),
        ("post each item with price over 10 to https://a.example.com/b", 10),
        ("for every order whose status is 'open' post it to https://a.example.com/b", "open"),
        ("对每个价格大于10的商品，POST到 https://a.example.com/b", 10),
    ],
)
def test_a_condition_within_for_each_lets_only_those_through(said: str, right: object) -> None:
    composition = _composed(f"every day at 9 fetch https://a.example.com/items, {said}")
    types = [node["type"] for node in composition.definition["nodes"]]
    assert types == ["trigger.schedule", "http.request", "flow.filter", "flow.loop", "http.request"]
    (condition,) = composition.definition["nodes"][2]["parameters"]["conditions"]
    assert condition["right"] == right


def test_what_is_dropped_by_a_filter_is_not_what_it_keeps() -> None:
    composition = _composed("when a webhook arrives, exclude the ones with status 'open'")
    (condition,) = composition.definition["nodes"][1]["parameters"]["conditions"]
    assert condition["operator"] == "not_equals"


@pytest.mark.parametrize(
    "said",
    [
        "当收到订单时，请我审批，然后POST到 https://a.example.com/b",
        "当收到新订单后请我审批，然后POST到 https://a.example.com/b",
        "收到订单后，由我审批，批准后POST到 https://a.example.com/b",
        "当收到订单时先让经理审批再POST到 https://a.example.com/b",
        "当收到订单时，需要我批准，然后POST到 https://a.example.com/b",
        "当收到订单时，在POST到 https://a.example.com/b 之前先问我",
        "when an order comes in, wait until I approve, then POST it to https://a.example.com/b",
        "when an order comes in, ask me before posting it to https://a.example.com/b",
        "when an order comes in, ask me whether to POST it to https://a.example.com/b",
        "when an order comes in, before posting it to https://a.example.com/b, ask me",
    ],
)
def test_consent_in_other_words_comes_first(said: str) -> None:
    definition = _composed(said).definition
    types = [node["type"] for node in definition["nodes"]]
    assert types == ["trigger.webhook", "human.approval", "http.request"]
    assert definition["connections"][1]["port"] == "approved"


@pytest.mark.parametrize(
    ("said", "system"),
    [
        ("when a webhook arrives, notify me", ""),
        ("当收到订单时通知我", ""),
        ("when a webhook arrives, post it to Mattermost", "Mattermost"),
        ("当收到订单时，发邮件通知我", "Email"),
        ("every Monday at 8 email me the report from https://a.example.com/r", "Email"),
    ],
)
def test_a_notice_is_kept_with_its_channel_or_without(said: str, system: str) -> None:
    composition = _composed(said)
    (placeholder,) = composition.unmatched
    node = next(one for one in composition.definition["nodes"] if one["id"] == placeholder)
    assert node["name"].startswith(f"{system}: " if system else ("Notify", "通知"))


def test_things_fetched_in_a_row_to_be_merged_are_fetched_side_by_side() -> None:
    composition = _composed(
        "every day at 9 fetch https://a.example.com/x and fetch https://b.example.com/y, merge the "
        "results and post them to https://c.example.com/z"
    )
    merge = next(one for one in composition.definition["nodes"] if one["type"] == "flow.merge")
    edges = composition.definition["connections"]
    assert sum(edge["to"] == merge["id"] for edge in edges) == 2
