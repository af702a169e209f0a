"""`flow.switch`: sends each item one of many ways."""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.sdk.node import (
    Done,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values.conditions import Conditions, misfits
from engine_service.values.field_types import type_name
from shared.workflow import Item, JsonObject

FALLBACK = "fallback"
CASE = "case:"
CASE_NAME = r"^[^:\s](?:[^:]{0,58}[^:\s])?$"


class Rule(Conditions):
    """One case: the items that meet its conditions."""

    name: str = Field(
        pattern=CASE_NAME, description="The case's name; its items leave by the port `case:NAME`"
    )


class SwitchParameters(NodeParameters):
    """The cases."""

    mode: Literal["rules", "expression"] = Field(
        default="rules",
        description="`rules` tries conditions in order, `expression` computes the case",
    )
    rules: list[Rule] = Field(
        default_factory=list[Rule], max_length=100, description="In mode rules: the cases, in order"
    )
    all_matching: bool = Field(
        default=False,
        description="Whether an item goes to every case whose rule it meets, not just the first",
    )
    cases: list[str] = Field(
        default_factory=list[str],
        max_length=100,
        description="In mode expression: the names of the cases",
    )
    case: Any = Field(
        default=None,
        description="In mode expression: gives a case's name, or its number from 0",
    )
    fallback: str | None = Field(
        default=None,
        description="Where items go that meet no rule: `fallback` is a port of its own, a case's "
        "name sends them there, null drops them",
    )


class FlowSwitch(PureNode[SwitchParameters]):
    """Sends each item to one of several cases, each with a port of its own: `case:NAME`.

    - Mode `rules`: every rule has a name and conditions like those of `flow.if`. An item goes to
      the first rule it meets, or to all of them with `all_matching`.
    - Mode `expression`: `case` computes the name (or the number, from 0) of one of `cases`.

    An item that belongs nowhere is dropped, unless `fallback` says where it goes: to the port
    `fallback`, or to one of the cases.
    """

    Parameters = SwitchParameters
    type = "flow.switch"
    title = "Switch"
    outputs = ()
    hands_on = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "rules": [
                {
                    "name": "large",
                    "conditions": [
                        {
                            "left": "{{ $json.total }}",
                            "type": "number",
                            "operator": "gte",
                            "right": 1000,
                        }
                    ],
                    "loose": True,
                },
                {
                    "name": "from a customer",
                    "conditions": [
                        {"left": "{{ $json.kind }}", "operator": "equals", "right": "customer"}
                    ],
                    "loose": True,
                },
            ],
            "fallback": "fallback",
        },
        {
            "mode": "expression",
            "cases": ["low", "high"],
            "case": "{{ $json.score > 50 ? 'high' : 'low' }}",
        },
    )
    keywords = (
        "switch", "route", "router", "case", "cases", "branches", "depending on", "by type",
        "categories", "分流", "路由", "多分支", "根据类型", "开关",
    )  # fmt: skip

    @classmethod
    def ports(cls, parameters: JsonObject) -> tuple[str, ...]:
        names = [f"{CASE}{name}" for name in _names(parameters)]
        if parameters.get("fallback") == FALLBACK:
            names.append(FALLBACK)
        return tuple(dict.fromkeys(names))

    @classmethod
    def check(cls, parameters: SwitchParameters) -> Sequence[tuple[str, str, str]]:
        findings: list[tuple[str, str, str]] = []
        by_rules = parameters.mode == "rules"
        names = [rule.name for rule in parameters.rules] if by_rules else parameters.cases
        field = "rules" if by_rules else "cases"
        if not names:
            findings.append((f"/{field}", "missing", "There must be at least one case."))
        if not by_rules and parameters.case is None:
            findings.append(("/case", "missing", "Say which case an item belongs to."))
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.append((f"/{field}/{index}", "duplicate", f"{name} is there twice."))
        if parameters.fallback not in (None, FALLBACK, *names):
            findings.append(("/fallback", "unknown_case", f"There is no {parameters.fallback}."))
        for index, rule in enumerate(parameters.rules):
            findings.extend(misfits(rule, f"/rules/{index}"))
        return findings

    def run(self, given: NodeInput[SwitchParameters]) -> Outcome:
        outputs: dict[str, list[Item]] = {}
        failures: list[ItemFailure] = []
        zone = given.now.tzinfo or UTC
        verdicts = [_judge(parameters, zone) for parameters in given.parameters]
        for index, item in enumerate(given.items):
            ports = verdicts[index if len(verdicts) > 1 else 0]
            if isinstance(ports, Failed):
                failures.append(ItemFailure(index, ports.code, ports.message))
                continue
            for port in ports:
                outputs.setdefault(port, []).append({**item, "paired_item": index})
        return Done(outputs, failures)


def _judge(parameters: SwitchParameters, zone: tzinfo) -> list[str] | Failed:
    try:
        return _ports_of(parameters, zone)
    except NodeError as error:
        return error.failure


def _ports_of(parameters: SwitchParameters, zone: tzinfo) -> list[str]:
    """Where an item with these parameters goes."""
    if parameters.mode == "expression":
        cases = [_chosen(parameters)]
    else:
        met = _met(parameters.rules, zone)
        cases = list(met) if parameters.all_matching else [next(met, None)]
    ports = [f"{CASE}{case}" for case in cases if case is not None]
    if ports or parameters.fallback is None:
        return ports
    return [FALLBACK if parameters.fallback == FALLBACK else f"{CASE}{parameters.fallback}"]


def _met(rules: Sequence[Rule], zone: tzinfo) -> Iterator[str]:
    for rule in rules:
        try:
            if rule.hold(zone):
                yield rule.name
        except NodeError as error:
            failure = error.failure
            raise NodeError(Failed(failure.code, f"{rule.name}: {failure.message}")) from error


def _chosen(parameters: SwitchParameters) -> str | None:
    """The case that the expression names; None when there is a fallback and it names none."""
    case: Any = parameters.case
    cases = parameters.cases
    if isinstance(case, str) and case in cases:
        return case
    if type_name(case) == "number" and case in range(len(cases)):
        return cases[int(case)]
    if parameters.fallback is not None:
        return None
    raise NodeError(Failed("unknown_case", f"There is no case {case!r}."))


def _names(parameters: JsonObject) -> list[str]:
    """The cases of parameters as written, which nobody has checked yet."""
    if parameters.get("mode", "rules") == "expression":
        found: Any = parameters.get("cases")
    else:
        rules: Any = parameters.get("rules")
        rules = cast("list[Any]", rules) if isinstance(rules, list) else []
        found = [cast("JsonObject", rule).get("name") for rule in rules if isinstance(rule, dict)]
    names = cast("list[Any]", found) if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str)]
