"""Conditions on fields, as authors write them for what a tenant keeps."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.tenant_data import Choice, Condition, Operator


class RowCondition(BaseModel):
    """A condition on a field of a row."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(min_length=1, description="A field, or `id`, `created_at`, `updated_at`")
    operator: Operator = Field(
        default="equals",
        description="`gt` and its kin compare numbers with numbers and texts with texts; "
        "`contains` looks into texts and does not mind capitals; `empty` and `filled` take no "
        "value",
    )
    value: Any = Field(default=None, description="What it is compared with")


class MetadataCondition(RowCondition):
    """A condition on what stands beside a text."""

    field: str = Field(min_length=1, description="A field of the metadata")


def choice_of(conditions: Sequence[RowCondition], any_of: bool) -> Choice:
    """What conditions mean together."""
    return Choice([Condition(one.field, one.operator, one.value) for one in conditions], any_of)
