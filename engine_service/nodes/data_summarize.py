"""`data.summarize`: sums, counts and the like, for all items or for groups of them."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine_service.sdk.node import MAIN, Done, Failed, NodeInput, NodeParameters, Outcome, PureNode
from engine_service.sdk.shape import UNKNOWN, Shape
from engine_service.sdk.shape import Kind as ValueKind
from engine_service.values.equality import ABSENT, value_key
from engine_service.values.field_types import to_text
from engine_service.values.fields import FieldNames
from engine_service.values.origins import pairs_of
from engine_service.values.summaries import SUMMARIES, Kind, summarize
from shared.workflow import Item, JsonObject

_FIGURES: dict[str, ValueKind] = {
    "append": "array", "concatenate": "string", "count": "number", "count_unique": "number",
    "sum": "number",
}  # fmt: skip
_DROPPED = str.maketrans("", "", '[]"')
_SPACED = str.maketrans(" .", "__")


class Summary(BaseModel):
    """One figure to compute."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(min_length=1, description="The field it is computed from; dots reach deeper")
    kind: Kind = Field(
        default="count",
        description="`sum`, `average`, `min`, `max`, `count` (items that have the field), "
        "`count_unique`, `append` (a list of the values) or `concatenate` (one text of them)",
    )
    include_empty: bool = Field(
        default=False,
        description="For append, concatenate, count and count_unique: whether missing, null and "
        "empty values take part",
    )
    separator: str = Field(
        default=",", max_length=100, description="For concatenate: what stands between"
    )
    to: str = Field(
        default="", description="The field for the figure; when empty, `sum_total` and the like"
    )


class SummarizeParameters(NodeParameters):
    """What to compute, and for which groups."""

    summaries: list[Summary] = Field(
        min_length=1, max_length=100, description="The figures to compute"
    )
    group_by: list[str] = Field(
        default_factory=list[str],
        max_length=20,
        description="Items with equal values in these fields make a group; none makes one of all",
    )
    group_as: Literal["values", "texts"] = Field(
        default="values",
        description="Whether groups are told apart, and named, by values as they are or as texts",
    )
    output: Literal["items", "nested"] = Field(
        default="items",
        description="An item for each group, or a single one with the groups nested by value",
    )
    skip_ungrouped: bool = Field(
        default=False, description="Whether items without a value to group by are left out"
    )
    allow_missing_fields: bool = Field(
        default=False, description="Whether a field may be missing in all items"
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )


class DataSummarize(PureNode[SummarizeParameters]):
    """Computes sums, averages, counts and the like, like a pivot table.

    Without `group_by` one item with all figures comes out; with it, one for each group, in the
    order in which the groups first appear, first by the first field, then by the second. Figures
    are named by kind and field: `sum_total`, `unique_count_email`, `appended_name`; dots and
    spaces in them become underscores.

    Sums and averages take numbers only; the smallest and largest may be texts too, like dates.
    With `output: nested` the groups become objects inside a single item, by value.
    """

    Parameters = SummarizeParameters
    type = "data.summarize"
    title = "Summarize"
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "summaries": [{"field": "total", "kind": "sum"}, {"field": "id"}],
            "group_by": ["customer"],
        },
        {"summaries": [{"field": "name", "kind": "concatenate", "separator": ", ", "to": "names"}]},
        {
            "summaries": [{"field": "price", "kind": "average"}],
            "group_by": ["kind", "customer"],
            "output": "nested",
        },
    )
    keywords = (
        "summarize", "sum", "average", "count", "group by", "pivot", "total", "maximum", "minimum",
        "statistics", "汇总统计", "求和", "平均", "计数", "分组",
    )  # fmt: skip

    def run(self, given: NodeInput[SummarizeParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        names = FieldNames(parameters.dot_notation)
        missing = _missing(given.items, parameters, names)
        if missing:
            return Failed("no_such_field", f"No item has the field {missing}.")
        groups = _group(range(len(given.items)), given.items, parameters.group_by, parameters)
        if parameters.output == "nested" and parameters.group_by:
            nested: Item = {
                "json": _nested(groups, given.items, parameters),
                "paired_item": pairs_of(range(len(given.items))),
            }
            return Done({MAIN: [nested]})
        return Done({MAIN: [_flat(group, given.items, parameters) for group in groups]})

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        try:
            known = SummarizeParameters.model_validate(parameters)
        except ValidationError:
            return UNKNOWN
        if known.output == "nested":
            return UNKNOWN
        made: dict[str, ValueKind] = {
            _name(each): _FIGURES.get(each.kind, "any") for each in known.summaries
        }
        made.update({_plain(name): given.fields.get(name, "any") for name in known.group_by})
        return Shape(made)

    @classmethod
    def check(cls, parameters: SummarizeParameters) -> Sequence[tuple[str, str, str]]:
        figures = {(_name(each), each.kind, each.field) for each in parameters.summaries}
        if len({name for name, _, _ in figures}) < len(figures):
            return [("/summaries", "duplicate", "Two figures have the same name; use `to`.")]
        return []


Group = tuple[list[Any], list[int]]  # the values it is grouped by, and its items' places


def _missing(items: list[Item], parameters: SummarizeParameters, names: FieldNames) -> str | None:
    if parameters.allow_missing_fields:
        return None
    fields = (each.field for each in parameters.summaries)
    return next((name for name in fields if not names.in_any(items, name)), None)


def _group(
    places: Sequence[int], items: list[Item], by: Sequence[str], parameters: SummarizeParameters
) -> list[Group]:
    """Groups in the order of their first items, those with the same first value together."""
    if not by:
        return [([], list(places))]
    names = FieldNames(parameters.dot_notation)
    groups: dict[Any, Group] = {}
    for place in places:
        value = _group_value(names.find(items[place]["json"], by[0]), parameters)
        if parameters.skip_ungrouped and (value in (None, "", ABSENT) or value is False):
            continue
        groups.setdefault(value_key(value), ([value], []))[1].append(place)
    return [
        ([*values, *deeper], inner)
        for values, members in groups.values()
        for deeper, inner in _group(members, items, by[1:], parameters)
    ]


def _group_value(found: tuple[bool, Any], parameters: SummarizeParameters) -> Any:
    """What an item is grouped by; ABSENT when it has no such field."""
    there, value = found
    if parameters.group_as == "texts":
        return _text(value if there else ABSENT)
    if isinstance(value, dict | list):
        return to_text(value)
    return value if there else ABSENT


def _text(value: Any) -> str:
    return "undefined" if value == ABSENT else to_text(value)


def _flat(group: Group, items: list[Item], parameters: SummarizeParameters) -> Item:
    values, places = group
    fields = _figures(places, items, parameters)
    for name, value in zip(parameters.group_by, values, strict=True):
        if value != ABSENT:
            fields[_plain(name)] = value
    return {"json": fields, "paired_item": pairs_of(places)}


def _nested(groups: list[Group], items: list[Item], parameters: SummarizeParameters) -> JsonObject:
    nested: JsonObject = {}
    for values, places in groups:
        inner = nested
        for value in values[:-1]:
            inner = inner.setdefault(_text(value), {})
        inner[_text(values[-1])] = _figures(places, items, parameters)
    return nested


def _figures(
    places: Sequence[int], items: list[Item], parameters: SummarizeParameters
) -> JsonObject:
    names = FieldNames(parameters.dot_notation)
    figures: JsonObject = {}
    for each in parameters.summaries:
        values = [names.get(items[place]["json"], each.field) for place in places]
        figures[_name(each)] = summarize(
            each.kind, values, include_empty=each.include_empty, separator=each.separator
        )
    return figures


def _name(summary: Summary) -> str:
    return summary.to or _plain(f"{SUMMARIES[summary.kind]}_{summary.field}")


def _plain(name: str) -> str:
    """A field's name without what would make a path of it."""
    return name.translate(_DROPPED).translate(_SPACED)
