"""`flow.merge`: brings branches together."""

from collections.abc import Sequence
from itertools import product
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import (
    MAIN,
    Done,
    Failed,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.sdk.shape import UNKNOWN, Shape
from engine_service.values.fields import FieldNames
from engine_service.values.joins import (
    Blend,
    Matches,
    Matching,
    TooManyPairs,
    alone,
    join,
    look_up,
    with_suffix,
)
from shared.workflow import Item, JsonObject

MOST_INPUTS = 10
MOST_COMBINATIONS = 200_000
InputName = Literal[
    "input1", "input2", "input3", "input4", "input5",
    "input6", "input7", "input8", "input9", "input10",
]  # fmt: skip


class MatchField(BaseModel):
    """A pair of fields that must be equal for items to belong together."""

    model_config = ConfigDict(extra="forbid")

    left: str = Field(min_length=1, description="The field in items of `input1`; dots reach deeper")
    right: str = Field(
        default="", description="The field in items of `input2`; the same name when empty"
    )


class MergeParameters(NodeParameters):
    """How the inputs become one list."""

    mode: Literal["append", "combine", "choose"] = Field(
        default="append",
        description="`append` puts the lists one after another, `combine` joins items into wider "
        "ones, `choose` waits for all inputs and hands on one of them",
    )
    inputs: int = Field(
        default=2, ge=2, le=MOST_INPUTS, description="How many inputs: `input1`, `input2`, …"
    )
    combine_by: Literal["fields", "position", "all"] = Field(
        default="fields",
        description="In mode combine: items whose `match` fields are equal, items at the same "
        "position, or every item of `input1` with every one of `input2`",
    )
    match: list[MatchField] = Field(
        default_factory=list[MatchField],
        max_length=20,
        description="For combine_by fields: what must be equal",
    )
    join: Literal[
        "keep_matches", "keep_non_matches", "keep_everything", "enrich_input1", "enrich_input2",
        "look_up",
    ] = Field(
        default="keep_matches",
        description="For combine_by fields: pairs only (inner join), only what found no partner, "
        "both of these (outer join), or all of one input, enriched with the other (left join); "
        "`look_up` adds to each item of input1 that has the field, in its place, what the last "
        "item of input2 with the same one holds besides, where 1 is the same as `'1'`",
    )  # fmt: skip
    output_from: Literal["both", "input1", "input2"] = Field(
        default="both", description="For combine_by fields: whose data a match hands on"
    )
    multiple_matches: Literal["all", "first"] = Field(
        default="all", description="Whether an item joins all its partners or the first only"
    )
    fuzzy: bool = Field(
        default=False, description="Whether 1 equals `'1'`, and null equals an empty text"
    )
    include_unpaired: bool = Field(
        default=False,
        description="For combine_by position: keep what a longer input has beyond the others",
    )
    unpaired_from: Literal["any"] | InputName = Field(
        default="any", description="For include_unpaired: whose items stay"
    )
    on_empty: Literal["nothing", "others"] = Field(
        default="nothing",
        description="For combine_by position, when an input is empty: nothing comes out, or what "
        "the others hold",
    )
    on_clash: Literal["prefer_last", "suffix"] | InputName | None = Field(
        default=None,
        description="When both have a field: the last input wins, the named one wins, or `suffix` "
        "renames all fields to `name_1`, `name_2`; by default the last wins, and for "
        "enrich_input2 the first",
    )
    deep: bool = Field(default=True, description="Whether clashing objects and lists are merged")
    keep_over_empty: bool = Field(
        default=False, description="Whether a null or empty text gives way to the other's value"
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots in `match` names reach into objects"
    )
    choose: Literal["empty"] | InputName = Field(
        default="input1",
        description="In mode choose: whose items go on, or one `empty` item",
    )


class FlowMerge(PureNode[MergeParameters]):
    """Brings branches together: waits for every live input, then makes one list of them.

    - `append`: the items of `input1`, then `input2`, and so on.
    - `combine` by `fields`: like a database join. `match` names what must be equal; `join` says
      what becomes of items with and without partner.
    - `combine` by `position`: first with first, second with second.
    - `combine` by `all`: every combination.
    - `choose`: only waits; hands on one input as it is.

    A branch that was not taken counts as an empty input, so a merge behind an `if` neither waits
    for ever nor runs too early. Connect the branches to the inputs `input1`, `input2`, ….
    """

    Parameters = MergeParameters
    type = "flow.merge"
    title = "Merge"
    inputs = ("input1", "input2")
    per_item = False
    needs_all_inputs = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"mode": "append"},
        {
            "mode": "combine",
            "match": [{"left": "customer_id", "right": "id"}],
            "join": "enrich_input1",
        },
        {"mode": "combine", "combine_by": "position", "on_clash": "suffix"},
        {"mode": "choose", "choose": "input2", "inputs": 3},
    )
    keywords = (
        "merge", "join", "combine", "append", "union", "together", "wait for both", "lookup",
        "enrich", "match", "合并", "连接", "汇总", "拼接", "等待全部",
    )  # fmt: skip

    @classmethod
    def input_names(cls, parameters: JsonObject) -> tuple[str, ...]:
        count = parameters.get("inputs", 2)
        if not isinstance(count, int) or not 2 <= count <= MOST_INPUTS:
            count = 2
        return tuple(f"input{number}" for number in range(1, count + 1))

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        return given if parameters.get("mode", "append") == "append" else UNKNOWN

    @classmethod
    def check(cls, parameters: MergeParameters) -> Sequence[tuple[str, str, str]]:
        findings: list[tuple[str, str, str]] = []
        combining = parameters.mode == "combine"
        if combining and parameters.combine_by == "fields" and not parameters.match:
            findings.append(("/match", "missing", "Say which fields must be equal."))
        if combining and parameters.join == "look_up" and len(parameters.match) > 1:
            findings.append(("/match", "too_many", "An item is looked up by one field."))
        if combining and parameters.combine_by != "position" and parameters.inputs > 2:
            findings.append(("/inputs", "too_many", "Only two inputs can be combined this way."))
        for name in ("choose", "on_clash", "unpaired_from"):
            chosen = getattr(parameters, name)
            if chosen and chosen.startswith("input") and int(chosen[5:]) > parameters.inputs:
                findings.append((f"/{name}", "unknown_input", f"There is no {chosen}."))
        return findings

    def run(self, given: NodeInput[MergeParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        names = [f"input{number}" for number in range(1, parameters.inputs + 1)]
        lists = [given.inputs.get(name, []) for name in names]
        match parameters.mode:
            case "append":
                pairs = zip(names, lists, strict=True)
                return _done(
                    [alone(name, index, it) for name, its in pairs for index, it in enumerate(its)]
                )
            case "choose" if parameters.choose == "empty":
                return _done([{"json": {}}])
            case "choose":
                chosen = given.inputs.get(parameters.choose, [])
                return _done([alone(parameters.choose, *each) for each in enumerate(chosen)])
            case "combine":
                return _done(_Combination(parameters, names, lists).items())


def _done(items: list[Item]) -> Done:
    return Done({MAIN: items})


class _Combination:
    """One merge in mode combine: its parameters and inputs, ready to be joined."""

    def __init__(
        self, parameters: MergeParameters, names: Sequence[str], lists: Sequence[list[Item]]
    ) -> None:
        self.parameters = parameters
        self.names = names
        self.blend = Blend(parameters.deep, parameters.keep_over_empty)
        self.raw = lists
        self.lists = lists
        if parameters.on_clash == "suffix":
            self.lists = [
                [with_suffix(item, str(number)) for item in items]
                for number, items in enumerate(lists, 1)
            ]

    def items(self) -> list[Item]:
        match self.parameters.combine_by:
            case "position":
                return self._by_position()
            case "all":
                one, other = (range(len(items)) for items in self.lists[:2])
                _limit(len(one) * len(other))
                if self.parameters.on_clash == "input1":  # what wins is gone through in the inside
                    return [self._join((first, second)) for second, first in product(other, one)]
                return [self._join(places) for places in product(one, other)]
            case "fields":
                return self._by_fields()

    def _by_position(self) -> list[Item]:
        lengths = [len(items) for items in self.lists]
        if self.parameters.on_empty == "others" and not min(lengths):
            return [
                self._plain(side, index)
                for side, items in enumerate(self.raw)
                for index in range(len(items))
            ]
        count = max(lengths) if self.parameters.include_unpaired else min(lengths)
        if self.parameters.include_unpaired and self.parameters.unpaired_from != "any":
            count = max(min(lengths), lengths[self.names.index(self.parameters.unpaired_from)])
        return [
            self._join([index if index < length else None for length in lengths])
            for index in range(count)
        ]

    def _by_fields(self) -> list[Item]:
        one, other = self.raw[:2]
        parameters = self.parameters
        if parameters.join == "look_up":
            return self._looked_up(one, other)
        if not one or not other:
            return self._without_partners(one, other)
        try:
            matches = self._matching().find(one, other)
        except TooManyPairs as error:
            raise _too_many("Too many") from error
        if parameters.join == "keep_non_matches":
            return self._non_matches(matches)
        only = [self._alone(0, index) for index in matches.only_left]
        only_other = [self._alone(1, index) for index in matches.only_right]
        match parameters.join:
            case "enrich_input1":
                return [*map(self._join, matches.pairs), *only]
            case "enrich_input2":
                return [*map(self._join, matches.pairs), *only_other]
            case _:
                matched = self._matched(matches.pairs, matches.in_right)
                extra = parameters.join == "keep_everything"
                return [*matched, *only, *only_other] if extra else matched

    def _non_matches(self, matches: Matches) -> list[Item]:
        only = [self._plain(0, index) for index in matches.only_left]
        only_other = [self._plain(1, index) for index in matches.only_right]
        match self.parameters.output_from:
            case "both":
                return [*_marked(only, "input1"), *_marked(only_other, "input2")]
            case "input1":
                return only
            case "input2":
                return only_other

    def _matching(self) -> Matching:
        fields = self.parameters.match
        return Matching(
            [field.left for field in fields],
            [field.right or field.left for field in fields],
            FieldNames(self.parameters.dot_notation),
            self.parameters.fuzzy,
            self.parameters.multiple_matches == "first",
            MOST_COMBINATIONS,
        )

    def _looked_up(self, one: list[Item], other: list[Item]) -> list[Item]:
        field = self.parameters.match[0]
        names = (field.left, field.right or field.left)
        found = look_up(one, other, names, FieldNames(self.parameters.dot_notation))
        self.lists = [one, [_without_field(item, names[1]) for item in other]]
        return [
            self._alone(0, index) if partner is None else self._join((index, partner))
            for index, partner in found
        ]

    def _matched(self, pairs: list[tuple[int, int]], in_right: list[int]) -> list[Item]:
        match self.parameters.output_from:
            case "both":
                return [self._join(pair) for pair in pairs]
            case "input1":
                firsts = dict.fromkeys(index for index, _ in pairs)
                return [self._plain(0, index) for index in firsts]
            case "input2":
                return [self._plain(1, index) for index in in_right]

    def _without_partners(self, one: list[Item], other: list[Item]) -> list[Item]:
        """The result when an input is empty: nothing can match."""
        parameters = self.parameters
        wanted = {"enrich_input1": "input1", "enrich_input2": "input2"}.get(parameters.join)
        if parameters.join == "keep_matches":
            return []
        if parameters.join == "keep_non_matches" and parameters.output_from != "both":
            wanted = parameters.output_from
        side = 0 if one else 1
        if wanted is not None and wanted != self.names[side]:
            return []
        return [self._plain(side, index) for index in range(len(one or other))]

    def _plain(self, side: int, index: int) -> Item:
        return alone(self.names[side], index, self.raw[side][index])

    def _alone(self, side: int, index: int) -> Item:
        return alone(self.names[side], index, self.lists[side][index])

    def _join(self, places: Sequence[int | None]) -> Item:
        parts = [
            (self.names[side], index, self.lists[side][index])
            for side, index in enumerate(places)
            if index is not None
        ]
        preferred = self.parameters.on_clash
        if preferred is None and self.parameters.join == "enrich_input2":
            preferred = "input1"
        if preferred not in (None, "prefer_last", "suffix"):
            parts.sort(key=lambda part: part[0] == preferred)
        return join(parts, self.blend)


def _without_field(item: Item, name: str) -> Item:
    return {**item, "json": {key: value for key, value in item["json"].items() if key != name}}


def _limit(count: int) -> None:
    if count > MOST_COMBINATIONS:
        raise _too_many(str(count))


def _too_many(count: str) -> NodeError:
    message = f"{count} combinations; {MOST_COMBINATIONS} are the most."
    return NodeError(Failed("too_many_items", message))


def _marked(items: list[Item], source: str) -> list[Item]:
    return [{**item, "json": {**item["json"], "_source": source}} for item in items]
