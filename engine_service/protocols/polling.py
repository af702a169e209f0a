"""Parameters that every polling trigger has."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from engine_service.sdk.node import NodeParameters


class PollParameters(NodeParameters):
    """How often to look, and what runs get."""

    every: int = Field(default=5, ge=1, le=10_080, description="Minutes from one look to the next")
    begin: Literal["now", "existing"] = Field(
        default="now",
        description="What the first look after activation does: `now` starts nothing and waits "
        "for what comes next, `existing` takes what is there already",
    )
    runs: Literal["each", "together"] = Field(
        default="each",
        description="`each` finding starts a run of its own, or one run gets them `together`",
    )

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.every)
