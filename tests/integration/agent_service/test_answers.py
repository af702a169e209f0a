"""Answers to questions: those that fit are used, the others are asked for again, once."""

import pytest

from tests.integration.agent_service.conftest import Client, Heard

NEEDS_ADDRESS = "every weekday at 9 check the weather and post it to https://b.example.com/in"
NEEDS_TIME = "every day fetch https://api.example.com/news"


def _asked(heard: Heard) -> list[dict[str, str]]:
    return heard.one("question.asked")["questions"]


def _urls(heard: Heard) -> list[str]:
    nodes = heard.end["workflow"]["definition"]["nodes"]
    return [node["parameters"]["url"] for node in nodes if node["type"] == "http.request"]


@pytest.mark.parametrize("by_form", [True, False])
async def test_an_answer_that_does_not_fit_is_asked_for_again_and_then_marked(
    alice: Client, by_form: bool
) -> None:
    async def answer(question: str, words: str) -> Heard:
        if by_form:
            return await alice.say(session, "", {question: words})
        return await alice.say(session, words)

    session = await alice.new_session()
    first = await alice.say(session, NEEDS_ADDRESS)
    assert [one["id"] for one in _asked(first)] == ["request-1.url"]
    second = await answer("request-1.url", "the sunny one")
    (question,) = _asked(second)
    assert question["id"] == "request-1.again.url"
    assert "“the sunny one” is no address" in question["text"]
    assert "https://" in question["text"]
    third = await answer("request-1.again.url", "over there")
    assert third.end["outcome"] == "delivered"
    made_up, given = _urls(third)
    assert made_up.endswith(".invalid/")
    assert given == "https://b.example.com/in"
    assert "No address is known for “check the weather”" in third.said


@pytest.mark.parametrize(
    "words", ["api.example.com", "it is https://api.example.com", "localhost:8080/x"]
)
async def test_the_second_answer_counts_when_it_fits(alice: Client, words: str) -> None:
    session = await alice.new_session()
    await alice.say(session, NEEDS_ADDRESS)
    await alice.say(session, "the sunny one")
    heard = await alice.say(session, words)
    assert heard.end["outcome"] == "delivered"
    assert words.removeprefix("it is https://") in _urls(heard)[0]


async def test_whoever_leaves_it_to_us_is_not_asked_again(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, NEEDS_ADDRESS)
    heard = await alice.say(session, "you decide")
    assert heard.end["outcome"] == "delivered"
    assert _urls(heard)[0].endswith(".invalid/")
    assert "No address is known" in heard.said


async def test_a_time_that_is_none_is_asked_for_again(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, NEEDS_TIME)
    second = await alice.say(session, "", {"schedule.time": "when the cows come home"})
    (question,) = _asked(second)
    assert question["id"] == "schedule.again.time"
    third = await alice.say(session, "half past seven")
    rules = third.end["workflow"]["definition"]["nodes"][0]["parameters"]["rules"]
    assert rules == [{"unit": "days", "at": "07:30"}]


async def test_in_chinese_it_is_asked_for_again_in_chinese(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, "每天早上9点查询天气，然后发到 https://b.example.com/in")
    second = await alice.say(session, "随你看着办的那个")
    assert "不是可以调用的地址" in _asked(second)[0]["text"]


async def test_more_of_a_wish_is_no_answer(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, NEEDS_ADDRESS)
    heard = await alice.say(session, "and ask me before that")
    types = [node["type"] for node in heard.end["workflow"]["definition"]["nodes"]]
    assert "human.approval" in types
    assert any(url.endswith(".invalid/") for url in _urls(heard))


async def test_a_gap_to_be_closed_over_http_asks_for_the_address(alice: Client) -> None:
    session = await alice.new_session()
    await alice.say(session, "every weekday at 9 post “Good morning” to Mattermost #general")
    second = await alice.say(session, "", {"gap-1": "http"})
    assert [one["id"] for one in _asked(second)] == ["gap-1.url"]
    third = await alice.say(session, "https://hooks.example.com/x")
    assert _urls(third) == ["https://hooks.example.com/x"]


async def test_what_came_to_nothing_is_named_in_the_answer(alice: Client) -> None:
    heard = await alice.say(
        await alice.new_session(),
        "We sell umbrellas. When a webhook arrives, POST it to https://a.example.com/b, then "
        "juggle the balls",
    )
    assert "We sell umbrellas" in heard.said
    assert "Juggle the balls" in heard.said
