"""Trace context is read as W3C says; tests/support/trace_context.py has the rules."""

import pytest

from shared.tracing.context import compose, members, parts, read, trace_id_of
from tests.support.trace_context import GOOD, PARENT, RULES, TRACE, Rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
def test_a_request_is_read_by_the_rules(rule: Rule) -> None:
    sent = [(name.lower(), value) for name, value in rule.headers]
    parents = [value for name, value in sent if name == "traceparent"]
    states = [value for name, value in sent if name == "tracestate"]
    traceparent, tracestate = read(parents, states)
    assert (trace_id_of(traceparent), tracestate) == (
        TRACE if rule.goes_on else "",
        rule.tracestate,
    )


@pytest.mark.parametrize(
    ("sent", "passed"),
    [("00", "00"), ("01", "01"), ("03", "03"), ("ff", "03"), ("08", "00")],
)
def test_flags_that_nobody_knows_are_not_passed_on(sent: str, passed: str) -> None:
    assert read([f"00-{TRACE}-{PARENT}-{sent}"], []) == (f"00-{TRACE}-{PARENT}-{passed}", "")


def test_of_a_version_to_come_only_the_sampling_is_known() -> None:
    assert read([f"cc-{TRACE}-{PARENT}-03-x"], []) == (GOOD, "")


def test_what_is_composed_can_be_taken_apart() -> None:
    assert parts(compose(TRACE, PARENT, 1)) == (TRACE, PARENT, 1)
    assert members("foo=1,bar=a b") == [("foo", "1"), ("bar", "a b")]
    assert members("") == []
