"""What bodies and queries are made of: strict models whose fields are the fields of the proto.

A body class has the name of its request message without `Request`; a test holds the two together.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_SECONDS = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)s")
_MAX_WAIT = timedelta(seconds=60)


def _refuse_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text cannot hold the character NUL")
    return text


def _read_wait(text: Any) -> Any:
    found = _SECONDS.fullmatch(text) if isinstance(text, str) else None
    if not found or timedelta(seconds=float(found[1])) > _MAX_WAIT:
        raise ValueError("expected seconds up to 60, such as 30s")
    return timedelta(seconds=float(found[1]))


Text = Annotated[str, AfterValidator(_refuse_nul)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Sequence = Annotated[int, Field(ge=0, le=2**63 - 1)]
Wait = Annotated[
    timedelta,
    BeforeValidator(_read_wait),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,4}(\.\d{1,3})?s$", "examples": ["30s"]}),
]
Document = dict[str, Any]
Definition = Annotated[
    Document, WithJsonSchema({"type": "object", "x-schema": "WorkflowDefinition"})
]
Input = Annotated[Document | list[Any], Field(description="A single object, or a list of items")]


class Body(BaseModel):
    """A JSON body: nothing is converted, nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Page(BaseModel):
    """Which part of a list is wanted."""

    page_size: Count = Field(default=0, description="At most this many; 50 when 0, at most 200")
    page_token: Text = Field(default="", description="The previous page's next_page_token")
