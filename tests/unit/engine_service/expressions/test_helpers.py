"""The helper methods and functions, as their users know them."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engine_service.expressions import ExpressionError, NodeOutput, Scope
from engine_service.expressions.names import METHODS

from .conftest import NOW, scope_with

Evaluate = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        # strings
        ("'<b>bold</b>, <a href=\"x\">link</a>'.removeTags()", "bold, link"),
        ("'*bold*, [link](https://x.org), `code`'.removeMarkdown()", "bold, link, code"),
        ("'# Title\\n- one\\n- **two**'.removeMarkdown()", "Title\none\ntwo"),
        ("'say \"hi\"'.quote()", '"say \\"hi\\""'),
        ('"it\'s".quote("\'")', "'it\\'s'"),
        ("'déjà vu, Straße'.replaceSpecialChars()", "deja vu, Strasse"),
        ("'quick a brown FOX'.toTitleCase()", "Quick a Brown FOX"),
        ("'the end. of it'.toTitleCase()", "The End. of It"),
        ("'quick! brown FOX. ünd'.toSentenceCase()", "Quick! Brown fox. Ünd"),
        ("'quick brown $FOX-trot'.toSnakeCase()", "quick_brown_fox_trot"),
        ("'name=Ann Lee'.urlEncode()", "name%3DAnn%20Lee"),
        ("'name=Ann Lee'.urlEncode(true)", "name=Ann%20Lee"),
        ("'name%3DAnn%20Lee'.urlDecode()", "name=Ann Lee"),
        ("'grüße €'.base64Encode().base64Decode()", "grüße €"),
        ("'hello'.base64Encode()", "aGVsbG8="),
        ("'hello'.hash()", "5d41402abc4b2a76b9719d911017c592"),
        ("'hello'.hash('sha1')", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        ("'12.5 €'.toNumber()", 12.5),
        ("'12.5 kg'.toFloat()", 12.5),
        ("'0x1f'.toInt()", 31),
        ("' '.isBlank() && 'a'.isNotBlank()", True),
        ("'back\\\\slash'.quote()", '"back\\\\slash"'),
        ("'a  b'.toSnakeCase()", "a__b"),
        ("'iPhone of the year'.toTitleCase()", "iPhone of the Year"),
        ("'42 apples.and pears'.toSentenceCase()", "42 Apples.And pears"),
        ("' 7'.isNumeric()", False),
        ("'localhost'.isDomain() && 'example.com/path'.isDomain()", True),
        ("'ws://example.com'.isUrl()", False),
        ("'w6k='.base64Decode() + '/w=='.base64Decode()", "é\ufffd"),
        ("'1.23E10'.toNumber()", 12300000000),
        ("'$12.50'.toFloat()", 12.5),
        ("'0x1f'.toInt(16)", 31),
        ("'No'.toBoolean()", False),
        ("'yes'.toBoolean()", True),
        ("'me@example.com'.isEmail()", True),
        ('"It\'s me@example.com".isEmail()', False),
        ("'mail me@example.com now'.extractEmail()", "me@example.com"),
        ("'none'.extractEmail()", None),
        ("'https://example.com/a/b?x=1#y'.extractUrlPath()", "/a/b"),
        ("'https://example.com'.isUrl()", True),
        ("'example.com'.isUrl()", False),
        ("'see https://example.com/a.'.extractUrl()", "https://example.com/a."),
        ("'{\"a\":[1]}'.parseJson().a", [1]),
        ("'https://example.com'.extractUrlPath()", "/"),
        ("'https://example.com/ä b/./c/../d/..#x'.extractUrlPath()", "/%C3%A4%20b/"),
        ("'example.com/a'.extractUrlPath()", None),
        ("'a b, c'.urlEncode().urlDecode().length()", 6),
        ("'see http://a.example.org/x'.extractUrl().extractDomain()", "a.example.org"),
        ("'\\n'.isNumeric() || ''.isNumeric()", False),
        ("'0x1f'.isNumeric() && '-1e3'.isNumeric()", True),
        ("'a'.hash('SHA256') === 'a'.hash('sha256')", True),
        ("'a'.hash('base64')", "YQ=="),
        ("'abc'.hash('sha3').length", 128),
        ("['12.5'.toDecimalNumber(), '€12'.toWholeNumber()]", [12.5, 12]),
        ("'2024-01-01'.toDate().toISOString()", "2024-01-01T00:00:00.000Z"),
        ("''.isEmpty() && 'x'.isNotEmpty()", True),
        ("'a\"b'.toJsonString()", '"a\\"b"'),
        # numbers and booleans
        ("(1.005).round(2) + (1.5).round()", 3),
        ("(-1.5).abs().ceil()", 2),
        ("(1234.5).format('de-DE')", "1.234,5"),
        ("(4).isEven() && (3).isOdd() && !(1.5).isInteger()", True),
        ("true.toNumber()", 1),
        ("[(1.7).toInt(), (1.7).toFloat(), (7).toNumber(), (1.7).floor()]", [2, 1.7, 7, 1]),
        ("[(0).toBoolean(), (-1).toBoolean(), false.toInt(), true.toFloat()]", [False, True, 0, 1]),
        ("[true.toBoolean(), (5).toJsonString(), true.toJsonString()]", [True, "5", "true"]),
        ("(1).isEmpty() || (0).isNotEmpty() || false.isNotEmpty()", False),
        # arrays
        ("[2, null, 1, '', undefined].compact()", [2, 1]),
        ("[1, 2, 3].chunk(2)", [[1, 2], [3]]),
        ("[1, 5, 3].max() - [1, 5, 3].min()", 4),
        ("[12, 1, 5].average()", 6),
        ("[1, 2].union([2, 3])", [1, 2, 3]),
        ("[1, 2].intersection([2, 3])", [2]),
        ("[{ a: 1 }, { a: 1 }, 1, 1].unique()", [{"a": 1}, 1]),
        ("[{ a: 1, b: 1 }, { a: 1, b: 2 }].removeDuplicates('a')", [{"a": 1, "b": 1}]),
        ("[{ a: 1 }, { b: 2 }, 3].pluck('a')", [1]),
        ("[{ a: 1, b: 2, c: 3 }].pluck('a', 'c')", [[1, 3]]),
        ("[{ a: 1 }].renameKeys('a', 'b')", [{"b": 1}]),
        ("[{ a: 1, c: 2 }].renameKeys('a', 'b', 'b', 'c')", [{"c": 1}]),
        ("[{ k: 'a', v: 1 }, { k: 'b' }, 5].smartJoin('k', 'v')", {"a": 1}),
        ("[[1, 2, 3].first(), [7].randomItem(), [1, 2].sum(), [1].length()]", [1, 7, 3, 1]),
        ("[[].toInt(), [].toFloat(), [].toBoolean(), [].toDateTime()]", [None] * 4),
        (
            "[[].isEmpty(), [0].isNotEmpty(), [].average(), [1].toJsonString()]",
            [True, True, 0, "[1]"],
        ),
        ("[{ a: 1 }, { c: 2 }].merge([{ a: 2, b: 3 }])", {"a": 1, "b": 3}),
        ("[{ a: 1 }, { c: 2 }].mergeIntoObject([{ a: 2, b: 3 }])", {"a": 1, "b": 3, "c": 2}),
        ("[{ a: 1 }, 'x', null, [5], { a: 2, b: 3 }].merge()", {"a": 1, "b": 3}),
        ("[{ a: null }, {}, [], 'nil', { b: { c: '' } }].compact().length", 2),
        ("[1, 1, 2].difference([2])", [1]),
        ("[1].append(2, 3).last()", 3),
        # objects
        ("({ a: null, b: 0, c: '' }).compact()", {"b": 0}),
        ("({ a: 1 }).merge({ a: 2, b: 3 })", {"a": 1, "b": 3}),
        ("({ a: 1, b: 2 }).removeField('a')", {"b": 2}),
        ("({ a: 'Mr Ann', b: 'x', c: 4 }).keepFieldsContaining('Ann')", {"a": "Mr Ann"}),
        ("({ a: 'Mr Ann', b: 'x', c: 4 }).removeFieldsContaining('Ann')", {"b": "x", "c": 4}),
        ("({ name: 'Mr Ann', city: 'hanoi' }).urlEncode()", "name=Mr+Ann&city=hanoi"),
        ("({ a: 1 }).keys().concat(({ a: 1 }).values())", ["a", 1]),
        ("({}).isEmpty() && ({ a: 1 }).isNotEmpty()", True),
        ("[({ a: 1 }).hasField('a'), ({}).hasField('toString')]", [True, False]),
        ("[({}).toInt(), ({}).toFloat(), ({}).toBoolean(), ({}).toDateTime()]", [None] * 4),
        # nothing
        ("null.isEmpty()", True),
        ("(0).isEmpty() && false.isEmpty() && (1).isNotEmpty()", True),
        ("undefined.isNotEmpty()", False),
        ("$json.missing?.isEmpty()", None),
        # an object's own functions, and JavaScript's, stay what they are
        ("({ first: () => 7 }).first()", 7),
        ("Math.max(1, 2) + Math.floor(1.5)", 3),
        ("Object.keys({ a: 1 }).length", 1),
        ("new Set([1, 1]).values().next().value", 1),
        # functions
        ("$if(1 > 2, 'a', 'b')", "b"),
        ("$if(1 > 2, 'a')", False),
        ("$if(true, 'a', undefined.sum()) + $if(...[0, 'b', 'c'])", "ac"),
        ("[1].map(x => $if(x, $if(0, 1, 2), 3))[0]", 2),
        ("$ifEmpty({}, 'none') + $ifEmpty('x', 'none')", "nonex"),
        ("[$min(3, 1), $max(3, [9]), $average(1, 3)]", [1, 9, 2]),
        ("[min(3, 1), [5].map(max => max)[0], not(1)]", [1, 5, False]),
        ("$jmespath({ people: [{ age: 20 }, { age: 40 }] }, 'people[?age > `30`].age')", [40]),
        ("numberList(1, 4)", [1, 2, 3, 4]),
        ("zip(['a', 'b'], [1, 2])", {"a": 1, "b": 2}),
    ],
)
async def test_a_helper_does_what_its_users_expect(
    source: str, value: Any, evaluate: Evaluate
) -> None:
    assert await evaluate(source) == value


def test_every_helper_is_tried() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in METHODS if not re.search(rf"\.{name}\(", text)} == set()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("'abc'.toNumber()", "cannot be converted to a number"),
        ("'abc'.toDateTime()", "cannot be converted to a date"),
        ("[1, 'a'].sum()", "numbers only"),
        ("(1.5).isEven()", "whole number"),
        ("(1).pluck('a')", "works on: array"),
        ("'a'.hash('rot13')", "rot13"),
        ("(5).toDateTime('weeks')", "weeks"),
        ("$now.plus(1, 'moons')", "moons"),
        ("$jmespath({}, '[')", "ParserError|Unexpected|Error"),
        ("undefined.toTitleCase()", "cannot be called on undefined"),
    ],
)
async def test_a_helper_says_what_it_cannot_do(
    source: str, message: str, evaluate: Evaluate
) -> None:
    with pytest.raises(ExpressionError, match=message):
        await evaluate(source)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$now", "2026-03-29T12:30:00.000+02:00"),
        ("$today", "2026-03-29T00:00:00.000+01:00"),
        ("$now.plus(1, 'days').toISODate()", "2026-03-30"),
        ("$now.minus({ hours: 11 }).hour", 0),
        ("new Date().toISOString()", "2026-03-29T10:30:00.000Z"),
        ("DateTime.now().toMillis() === Date.now()", True),
        ("'2026-03-29T01:30'.toDateTime().plus(1, 'hour').hour", 3),
        ("$now.isDst()", True),
        ("$now.isWeekend()", True),
        ("$now.extract('month')", 3),
        ("$now.beginningOf('month')", "2026-03-01T00:00:00.000+01:00"),
        ("$now.endOfMonth().day", 31),
        ("$now.format('dd.MM.yy')", "29.03.26"),
        ("$now.setLocale('de').toFormat('cccc')", "Sonntag"),
        ("$now.isBetween('2026-01-01', '2027-01-01')", True),
        ("$now.isInLast(1, 'hour') && $now.isInLast(1, 'hr')", True),
        ("$now.isBetween('never', '2027-01-01')", None),
        ("$now.inBetween('2027-01-01', '2026-01-01')", True),
        ("$now.extract('days')", 29),
        ("$now.format('MMM', { locale: 'fr' })", "mars"),
        ("$now.diffTo('2026-03-28', ['days']).floor()", 1),
        ("'31/13/2024'.toDateTime('dd/MM/yyyy').isValid", False),
        ("$now.minus(36, 'hours').diffToNow('hours')", -36),
        ("'2026-03-29T10:00:00.000Z'.isWeekend()", True),
        ("'2026-03-29T10:00:00.000Z'.toInt()", 1774778400000),
        ("$now.minus(2, 'hours').isInLast(1, 'hour')", False),
        ("$now.diffTo('2026-03-28', 'days').floor()", 1),
        ("$now.diffTo('2026-03-28', ['days', 'hours'])", {"days": 1, "hours": 11.5}),
        ("'Fri, 29 Mar 2024 18:08:01 +0100'.toDateTime().toUTC()", "2024-03-29T17:08:01.000Z"),
        ("'20240329'.toDateTime().day", 29),
        ("'1711732132990'.toDateTime().year", 2024),
        ("'29/03/2024'.toDateTime('dd/MM/yyyy').toISODate()", "2024-03-29"),
        ("(1711732132).toDateTime('s').toISO()", "2024-03-29T18:08:52.000+01:00"),
        ("new Date(0).plus(1, 'days')", "1970-01-02T00:00:00.000Z"),
        ("Duration.fromObject({ hours: 2 }).toISO()", "PT2H"),
        ("`It is ${$now.toFormat('HH:mm')}`", "It is 12:30"),
    ],
)
async def test_dates_are_in_the_workflow_s_zone(
    source: str, value: Any, evaluate: Evaluate
) -> None:
    assert await evaluate(source) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$input.first().json.n + $input.last().json.n", 3),
        ("$input.all().map(item => item.json.n)", [1, 2]),
        ("$items.length + $items()[1].json.n", 4),
        ("$items('N')[0].json.m", "a"),
        ("$('N').itemMatching(1).json.m", "b"),
        ("$('N').all().length", 2),
        ("$('N').isExecuted && !$('Other').isExecuted", True),
        ("$($vars.which).first().json.m", "a"),
        ("$node['N'].json.m + $node.N.json.m", "aa"),
        ("[$run.id, $workflow.name, $env.HOME, $vars.none, $itemIndex]", ["r", "w", "h", None, 0]),
        ("$response.status", 200),
        ("typeof $nothing", "undefined"),
        ("$json.a.b.c", None),
        ("$json['a']?.['b'] ?? 'none'", "none"),
        ("$nothing + 1", None),
        ("nobody()", None),
        ("$json.n.charAt(0)", None),
        ("decodeURIComponent('%')", None),
        ("$nothing === undefined && typeof nobody === 'undefined'", True),
        ("[$item(1).$json.n, $item(1).$itemIndex, $item('1').$node['N'].json.m]", [2, 1, "b"]),
        ("[$thisItem.json.n, $position, $self.x]", [1, 0, None]),
        ("[$thisItemIndex, $thisRunIndex, $executionId, $mode]", [0, 0, "r", "test"]),
        ("$rawParameter.to", "me"),
        ("[$parameter.to, $nodeId, $nodeVersion]", ["me", "x", 2]),
        ("[$prevNode.name, $prevNode.outputIndex, $input.params.from]", ["N", 0, "N's"]),
        ("[$('N').params.from, $('Later').params.at, $node['Later'].parameter.at]", ["N's", 3, 3]),
        ("[$fromAI('n'), $fromAI('none', 'what it is', 'string', 'usual')]", [1, "usual"]),
        (
            "[process.platform, typeof process.pid, 'pid' in { ...process }]",
            ["linux", "number", False],
        ),
        ("$getPairedItem('N', { previousNode: 'N' }, { item: 1 }).json.m", "b"),
    ],
)
async def test_an_expression_sees_its_surroundings(
    source: str, value: Any, evaluate: Evaluate
) -> None:
    scope = Scope(
        items=[{"json": {"n": 1}}, {"json": {"n": 2}}],
        now=NOW,
        nodes={"N": [{"json": {"m": "a"}}, {"json": {"m": "b"}}]},
        pairs={"N": [0, 1]},
        run={"id": "r", "mode": "test"},
        workflow={"name": "w"},
        variables={"which": "N"},
        env={"HOME": "h"},
        parameters={"N": {"from": "N's"}, "X": {"to": "me"}, "Later": {"at": 3}},
        node={"name": "X", "id": "x", "version": 2},
        previous={"name": "N", "outputIndex": 0, "runIndex": 0},
        extra={"$response": {"status": 200}},
    )
    assert await evaluate(source, scope) == value


async def test_a_node_is_asked_for_what_leads_here(evaluate: Evaluate) -> None:
    ports = NodeOutput([[[{"json": {"n": 1}}], [{"json": {"n": 2}}]]], port=1)
    scope = scope_with({}, nodes={"If": ports}, pairs={"If": [0]})
    for source in ("$('If').first()", "$('If').all()[0]", "$('If').item", "$node['If']"):
        assert await evaluate(f"{source}.json.n", scope) == 2
        assert await evaluate(f"(0, {source}).json.n", scope) == 2
    assert await evaluate("$('If').first(0).json.n", scope) == 1


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("$('Other').first().json", "NODE_NOT_EXECUTED"),
        ("$('N').item.json", "NO_PAIRED_ITEM"),
        ("$('N').itemMatching()", "ITEM_INDEX_MISSING"),
        ("$('N').all(0, 1)", "NO_SUCH_RUN"),
        ("$items('N', 1)", "NO_SUCH_OUTPUT"),
        ("$('')", "NODE_NAME_MISSING"),
        ("$('N').item.json && $now.isBetween('2026')", "NO_PAIRED_ITEM"),
        ("$now.isBetween('2026')", "EXPRESSION_FAILED"),
        ("$if(1)", "EXPRESSION_FORBIDDEN"),
        ("$ifEmpty(1)", "EXPRESSION_FAILED"),
        ("$secrets.vault.key", "EXPRESSION_FORBIDDEN"),
        ("extend('a', 'constructor', [])", "EXPRESSION_FORBIDDEN"),
        ("({ a: 1, ...process })", "EXPRESSION_FORBIDDEN"),
        ("(() => { throw 'words' })()", "EXPRESSION_FAILED"),
        ("$json['con' + 'structor']", "EXPRESSION_FORBIDDEN"),
    ],
)
async def test_what_is_not_there_has_a_code(source: str, code: str, evaluate: Evaluate) -> None:
    scope = scope_with({}, nodes={"N": [{"json": {}}]}, pairs={"N": [None]})
    with pytest.raises(ExpressionError) as caught:
        await evaluate(source, scope)
    assert caught.value.code == code
