"""`flow.loop`: takes items through its body batch by batch."""

from typing import ClassVar

from pydantic import Field

from engine_service.sdk.node import Done, NodeInput, NodeParameters, Outcome, PureNode
from shared.workflow import Item, JsonObject

LOOP = "loop"
DONE = "done"


class LoopParameters(NodeParameters):
    """How large a batch is."""

    batch_size: int = Field(
        default=1, ge=1, le=100_000, description="How many items go through the body at once"
    )


class FlowLoop(PureNode[LoopParameters]):
    """Takes the items through the nodes behind its port `loop`, one batch after another.

    Connect `loop` to the first node of the body and the body's last node back to this one. The
    next batch begins when everything in the body has ended for the one before; then `done` hands
    on, in order, all items that came back.

    - A branch of the body that gives nothing does not stop the loop; it adds nothing to `done`.
    - An edge from outside into the body brings the same items to every batch; an edge out of it
      collects those of all batches.
    - Loops may nest, and a body may wait for a time or a person.
    - `$('Name of this node').all()` inside the body is the current batch.

    Use it to spare a server (`batch_size` with a `flow.wait` in the body), or where a node works
    on a whole list and must see few items at a time. Nodes that handle each item by themselves
    need no loop.
    """

    Parameters = LoopParameters
    type = "flow.loop"
    title = "Loop over items"
    outputs = (LOOP, DONE)
    per_item = False
    examples: ClassVar[tuple[JsonObject, ...]] = ({}, {"batch_size": 50})
    keywords = (
        "loop", "for each", "batch", "split in batches", "iterate", "repeat", "chunk", "one by one",
        "rate limit", "循环", "遍历", "批次", "逐个", "分批",
    )  # fmt: skip

    def run(self, given: NodeInput[LoopParameters]) -> Outcome:
        size = given.parameters_for(0).batch_size
        items: list[Item] = [
            {**item, "paired_item": index} for index, item in enumerate(given.items)
        ]
        batches = (items[start : start + size] for start in range(0, len(items), size))
        return Done({f"{LOOP}:{number}": batch for number, batch in enumerate(batches)})
