"""`data.compare`: what two lists of items have in common, and what not."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import (
    Done,
    Failed,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values.field_types import same
from engine_service.values.fields import FieldNames
from engine_service.values.joins import Matching, TooManyPairs, alone
from engine_service.values.likeness import are_alike
from shared.workflow import Item, JsonObject

A, B = "a", "b"
ONLY_A, SAME, DIFFERENT, ONLY_B = "only_a", "same", "different", "only_b"
MOST_PAIRS = 200_000


class MatchField(BaseModel):
    """A pair of fields by which items are found in the other list."""

    model_config = ConfigDict(extra="forbid")

    a: str = Field(min_length=1, description="The field in items of input a; dots reach deeper")
    b: str = Field(
        default="", description="The field in items of input b; the same name when empty"
    )


class CompareParameters(NodeParameters):
    """How items find each other, and what is told of those that differ."""

    match: list[MatchField] = Field(
        min_length=1, max_length=20, description="Fields that identify an item, such as its id"
    )
    different: Literal["both", "a", "b", "mix"] = Field(
        default="both",
        description="What leaves by `different`: both versions field by field, the item of a, "
        "that of b, or a mix of them",
    )
    prefer: Literal["a", "b"] = Field(
        default="a", description="For different mix: whose values to take"
    )
    except_fields: list[str] = Field(
        default_factory=list[str],
        max_length=200,
        description="For different mix: the fields to take from the other one",
    )
    skip_fields: list[str] = Field(
        default_factory=list[str],
        max_length=200,
        description="Fields that do not matter when two items are compared",
    )
    multiple_matches: Literal["first", "all"] = Field(
        default="first",
        description="Whether an item of a is compared with the first that it matches, or with all",
    )
    fuzzy: bool = Field(
        default=False, description="Whether 1 equals `'1'`, and null equals an empty text"
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )


class DataCompare(PureNode[CompareParameters]):
    """Compares two lists of items: what is only in one, what is equal, what differs.

    Items of input `a` look for their counterpart in `b` by the fields of `match`. They leave by

    - `only_a`: no counterpart in b,
    - `same`: all fields are equal,
    - `different`: some field differs: by default an object with `keys`, the fields that are
      `same`, and for each of the `different` ones `inputA` and `inputB`,
    - `only_b`: items of b that no item of a matched.

    Good for keeping two systems in step: add what is only in one, update what differs.
    """

    Parameters = CompareParameters
    type = "data.compare"
    title = "Compare lists"
    per_item = False
    needs_all_inputs = True
    inputs = (A, B)
    outputs = (ONLY_A, SAME, DIFFERENT, ONLY_B)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"match": [{"a": "id"}]},
        {
            "match": [{"a": "email", "b": "contact.mail"}],
            "different": "mix",
            "prefer": "b",
            "except_fields": ["name"],
            "skip_fields": ["due_at"],
        },
    )
    keywords = (
        "compare", "diff", "difference", "changes", "sync", "what is new", "reconcile",
        "compare datasets", "比较", "对比", "差异", "同步", "找出不同",
    )  # fmt: skip

    def run(self, given: NodeInput[CompareParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        ours, theirs = given.inputs.get(A, []), given.inputs.get(B, [])
        matching = Matching(
            [field.a for field in parameters.match],
            [field.b or field.a for field in parameters.match],
            FieldNames(parameters.dot_notation),
            loose=parameters.fuzzy,
            first_only=parameters.multiple_matches == "first",
            most=MOST_PAIRS,
        )
        try:
            matches = matching.find(ours, theirs)
        except TooManyPairs:
            return Failed("too_many_items", f"{MOST_PAIRS} pairs of items are the most.")
        comparing = _Comparing(parameters, ours, theirs)
        for one, other in matches.pairs:
            comparing.add(one, other)
        return Done(
            {
                ONLY_A: [alone(A, index, ours[index]) for index in matches.only_left],
                SAME: comparing.equal,
                DIFFERENT: comparing.different,
                ONLY_B: [alone(B, index, theirs[index]) for index in matches.only_right],
            }
        )


class _Comparing:
    """The pairs compared so far."""

    def __init__(
        self, parameters: CompareParameters, ours: Sequence[Item], theirs: Sequence[Item]
    ) -> None:
        self.parameters = parameters
        self.names = FieldNames(parameters.dot_notation)
        self.ours = ours
        self.theirs = theirs
        self.equal: list[Item] = []
        self.different: list[Item] = []
        self._last_equal = -1

    def add(self, one: int, other: int) -> None:
        ours, theirs = self.ours[one]["json"], self.theirs[other]["json"]
        if self._are_equal(self._compared(ours), self._compared(theirs)):
            if self._last_equal != one:  # an item that equals several is there once
                theirs_wins = self.parameters.fuzzy and self.parameters.different == "b"
                self.equal.append(
                    alone(B, other, self.theirs[other])
                    if theirs_wins  # equal is not the same when `1` equals `"1"`
                    else alone(A, one, self.ours[one])
                )
                self._last_equal = one
            return
        self.different.append(self._told(one, other))

    def _told(self, one: int, other: int) -> Item:
        match self.parameters.different:
            case "a":
                return alone(A, one, self.ours[one])
            case "b":
                return alone(B, other, self.theirs[other])
            case "mix":
                told = self._mixed(self.ours[one]["json"], self.theirs[other]["json"])
            case "both":
                told = self._both(self.ours[one]["json"], self.theirs[other]["json"])
        pairs = [{"input": A, "item": one}, {"input": B, "item": other}]
        return {"json": told, "paired_item": pairs}

    def _compared(self, fields: JsonObject) -> JsonObject:
        if not self.parameters.skip_fields:
            return fields
        rest = dict(fields)
        for name in self.parameters.skip_fields:
            self.names.drop(rest, name)
        return rest

    def _are_equal(self, ours: JsonObject, theirs: JsonObject) -> bool:
        if not self.parameters.fuzzy:
            return same(ours, theirs)
        return all(
            self._same_value(ours.get(name), theirs.get(name)) for name in {**ours, **theirs}
        )

    def _same_value(self, one: Any, other: Any) -> bool:
        if self.parameters.fuzzy:
            return are_alike(one, other)
        return same(one, other)

    def _mixed(self, ours: JsonObject, theirs: JsonObject) -> JsonObject:
        first, second = (ours, theirs) if self.parameters.prefer == A else (theirs, ours)
        mixed = dict(first)
        for name in self.parameters.except_fields:
            found, value = self.names.find(second, name)
            if found:
                self.names.put(mixed, name, value)
            else:
                self.names.drop(mixed, name)
        return mixed

    def _both(self, ours: JsonObject, theirs: JsonObject) -> JsonObject:
        skipped, different = JsonObject(), JsonObject()
        equal: JsonObject = {
            name: value
            for name, value in ours.items()
            if name in theirs and self._same_value(value, theirs[name])
        }
        for name in {**ours, **theirs}:
            if name not in equal:
                told = skipped if name in self.parameters.skip_fields else different
                told[name] = {"inputA": ours.get(name), "inputB": theirs.get(name)}
        keys = {field.a: self.names.get(ours, field.a) for field in self.parameters.match}
        both: JsonObject = {"keys": keys, "same": equal, "different": different}
        return {**both, "skipped": skipped} if skipped else both
