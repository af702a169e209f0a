"""What can be found by words and by meaning, without a database."""

from agent_service.knowledge.passages import everybodys
from shared import words
from tests.support.catalogues import engine_catalogue


def test_chinese_is_compared_by_pairs_of_signs() -> None:
    assert words.pairs("每个工作日 at 9 收") == ["每个", "个工", "工作", "作日", "收"]
    assert "'工作'" in words.query("工作日")


def test_a_query_holds_only_words() -> None:
    assert words.query("it's (a) 'test' & more:*") == "'it' | 's' | 'a' | 'test' | 'more'"
    assert words.query("!!!") == ""
    assert words.query("Größe v1.2 e-mail") == "'Größe' | 'v1.2' | 'e-mail'"


def test_every_node_type_has_a_passage_with_its_keywords() -> None:
    passages = {one.name: one for one in everybodys(engine_catalogue()) if one.kind == "node"}
    assert passages.keys() == set(engine_catalogue().types())
    assert "定时" in passages["trigger.schedule"].words


def test_practices_and_examples_ship_with_the_agent() -> None:
    kinds = [one.kind for one in everybodys(engine_catalogue())]
    assert kinds.count("practice") >= 8
    assert kinds.count("example") >= 5
