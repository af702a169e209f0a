"""The rules of W3C Trace Context as requests: what is sent, and what goes on from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase, digits

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OTHER = f"00-{TRACE}-{'1' * 16}-01"
GOOD = f"00-{TRACE}-{PARENT}-01"
_KEY = f"{ascii_lowercase}{digits}_-*/"
_VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")


@dataclass(frozen=True)
class Rule:
    """Headers as they are sent, in order, and what has to come of them.

    Attributes:
        goes_on: The trace is the sender's; else it is a new one.
        tracestate: What is passed on.
    """

    title: str
    headers: Sequence[tuple[str, str]]
    goes_on: bool = True
    tracestate: str = ""


def _parent(title: str, value: str, *, goes_on: bool = False) -> Rule:
    return Rule(title, [("traceparent", value)], goes_on)


def _state(title: str, *values: str, passed: str = "") -> Rule:
    states = [("tracestate", value) for value in values]
    return Rule(title, [("traceparent", GOOD), *states], tracestate=passed)


_MANY = [f"m{number:02}={number}" for number in range(33)]

RULES: Sequence[Rule] = (
    Rule("nothing is sent", [], goes_on=False),
    _parent("a good traceparent", GOOD, goes_on=True),
    _parent("not sampled", f"00-{TRACE}-{PARENT}-00", goes_on=True),
    _parent("flags that nobody knows", f"00-{TRACE}-{PARENT}-ff", goes_on=True),
    Rule(
        "sent twice", [("traceparent", GOOD), ("traceparent", f"00-{TRACE}-{'1' * 16}-01")], False
    ),
    Rule("sent twice alike", [("traceparent", GOOD), ("traceparent", GOOD)], False),
    Rule("another name", [("trace-parent", GOOD)], False),
    Rule("a name with a dot", [("trace.parent", GOOD)], False),
    Rule("capital name", [("TRACEPARENT", GOOD)]),
    Rule("mixed name", [("TraceParent", GOOD)]),
    _parent("something behind version 00", f"{GOOD}."),
    _parent("fields behind version 00", f"{GOOD}-more"),
    _parent("a version to come", f"cc-{TRACE}-{PARENT}-01", goes_on=True),
    _parent("a version to come, with more", f"cc-{TRACE}-{PARENT}-01-what-comes", goes_on=True),
    _parent("a version to come, gone on wrongly", f"cc-{TRACE}-{PARENT}-01.what-comes"),
    _parent("the forbidden version", f"ff-{TRACE}-{PARENT}-01"),
    _parent("a version that is no number", f".0-{TRACE}-{PARENT}-01"),
    _parent("a version that is half a number", f"0.-{TRACE}-{PARENT}-01"),
    _parent("capitals in the version", f"CC-{TRACE}-{PARENT}-01"),
    _parent("a version too long", f"000-{TRACE}-{PARENT}-01"),
    _parent("a version much too long", f"0000-{TRACE}-{PARENT}-01"),
    _parent("a version too short", f"0-{TRACE}-{PARENT}-01"),
    _parent("a trace of zeros", f"00-{'0' * 32}-{PARENT}-01"),
    _parent("a trace in capitals", f"00-{TRACE.upper()}-{PARENT}-01"),
    _parent("a trace with a dot before", f"00-.{TRACE[1:]}-{PARENT}-01"),
    _parent("a trace with a dot behind", f"00-{TRACE[:-1]}.-{PARENT}-01"),
    _parent("a trace too long", f"00-{TRACE}1-{PARENT}-01"),
    _parent("a trace too short", f"00-{TRACE[:-1]}-{PARENT}-01"),
    _parent("a parent of zeros", f"00-{TRACE}-{'0' * 16}-01"),
    _parent("a parent in capitals", f"00-{TRACE}-{PARENT.upper()}-01"),
    _parent("a parent with a dot before", f"00-{TRACE}-.{PARENT[1:]}-01"),
    _parent("a parent with a dot behind", f"00-{TRACE}-{PARENT[:-1]}.-01"),
    _parent("a parent too long", f"00-{TRACE}-{PARENT}1-01"),
    _parent("a parent too short", f"00-{TRACE}-{PARENT[:-1]}-01"),
    _parent("flags with a dot before", f"00-{TRACE}-{PARENT}-.0"),
    _parent("flags with a dot behind", f"00-{TRACE}-{PARENT}-0."),
    _parent("flags too long", f"00-{TRACE}-{PARENT}-001"),
    _parent("flags too short", f"00-{TRACE}-{PARENT}-1"),
    _parent("empty", ""),
    _parent("blanks before", f"  {GOOD}", goes_on=True),
    _parent("a tab before", f"\t{GOOD}", goes_on=True),
    _parent("blanks and tabs around", f"\t {GOOD} \t", goes_on=True),
    Rule("a state without a parent", [("tracestate", "foo=1")], False),
    Rule(
        "a state with a bad parent", [("traceparent", f"{GOOD}."), ("tracestate", "foo=1")], False
    ),
    Rule(
        "a state with a version to come",
        [("traceparent", f"cc-{TRACE}-{PARENT}-01-more"), ("tracestate", "foo=1")],
        tracestate="foo=1",
    ),
    _state("a state", "foo=1,bar=2", passed="foo=1,bar=2"),
    Rule("another name of state", [("traceparent", GOOD), ("trace-state", "foo=1")]),
    Rule("capital state", [("traceparent", GOOD), ("TRACESTATE", "foo=1")], tracestate="foo=1"),
    _state("an empty state", ""),
    _state("an empty state behind", "foo=1", "", passed="foo=1"),
    _state("an empty state before", "", "foo=1", passed="foo=1"),
    _state("empty members", "foo=1,,bar=2,", passed="foo=1,bar=2"),
    _state("several states", "foo=1,bar=2", "rojo=1", "baz=3", passed="foo=1,bar=2,rojo=1,baz=3"),
    _state("a key twice", "foo=1,foo=2"),
    _state("a key twice alike", "foo=1,foo=1"),
    _state("a key in two states", "foo=1", "foo=2"),
    _state("all signs of keys and values", f"{_KEY}={_VALUE}", passed=f"{_KEY}={_VALUE}"),
    _state("all signs, for a tenant", f"{_KEY}@a-z0-9_-*/=x", passed=f"{_KEY}@a-z0-9_-*/=x"),
    _state("blanks about members", "foo=1 \t , \t bar=2, \t baz=3", passed="foo=1,bar=2,baz=3"),
    _state("blanks about the state", "\t foo=1 \t", passed="foo=1"),
    _state("a blank inside a value", "foo=a b", passed="foo=a b"),
    _state("a blank in a key", "foo =1"),
    _state("a capital key", "FOO=1"),
    _state("a key with a dot", "foo.bar=1"),
    _state("no vendor behind the sign", "foo@=1,bar=2"),
    _state("no tenant before the sign", "@foo=1,bar=2"),
    _state("two signs", "foo@@bar=1,bar=2"),
    _state("two vendors", "foo@bar@baz=1,bar=2"),
    _state("an equals sign in a value", "foo=bar=baz"),
    _state("no value", "foo=,bar=3"),
    _state("no key", "=1,bar=3"),
    _state("no equals sign", "foo,bar=3"),
    _state("a member too many", ",".join(_MANY)),
    _state("as many as may be", *_MANY[:32], passed=",".join(_MANY[:32])),
    _state("the longest key", f"{'z' * 256}=1", passed=f"{'z' * 256}=1"),
    _state("a key too long", f"{'z' * 257}=1"),
    _state("the longest tenant", f"{'t' * 241}@{'v' * 14}=1", passed=f"{'t' * 241}@{'v' * 14}=1"),
    _state("a tenant too long", f"{'t' * 242}@v=1"),
    _state("a vendor too long", f"t@{'v' * 15}=1"),
    _state("the longest value", f"foo={'v' * 256}", passed=f"foo={'v' * 256}"),
    _state("a value too long", f"foo={'v' * 257}"),
)
