"""What becomes of failures: whether and when to try again, and where failing items go. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from engine_service.definitions.program import OUTCOME_UNKNOWN, ReadyNode
from engine_service.sdk.node import ERROR, Effect, Failed, ItemFailure
from shared.workflow import Item


def retry_at(node: ReadyNode, failed: Failed, failures: int, now: datetime) -> datetime | None:
    """When to try again, if at all.

    Args:
        node: What failed.
        failed: How.
        failures: How many attempts have failed, this one included.
        now: When it failed.
    """
    retry = node.definition.settings.retry
    if retry is None or failures >= retry.max_attempts:
        return None
    wanted = failed.code in retry.on if retry.on else failed.retryable
    unknown_and_unsafe = not failed.outcome_known and node.effect is Effect.UNSAFE
    if unknown_and_unsafe and OUTCOME_UNKNOWN not in retry.on:
        return None
    if not wanted and not (unknown_and_unsafe and failed.retryable):
        return None
    pause = max(retry.backoff * 2 ** (failures - 1), failed.retry_after or 0.0)
    return now + timedelta(seconds=min(pause, retry.max_delay))


def with_failures(
    outputs: Mapping[str, list[Item]],
    given: Sequence[Item],
    failures: Sequence[ItemFailure],
    on_error: str,
    main: str,
) -> dict[str, list[Item]]:
    """Outputs with the failing items where the author wants them.

    `continue` sends them on as they came, each at its place among the others; `error_port` sends
    them out of the port `error`, with what went wrong added.
    """
    made = dict(outputs)
    if on_error == "error_port":
        made[ERROR] = [*made.get(ERROR, ()), *(_with_error(given, one) for one in failures)]
        return made
    passed = [{**given[one.index], "paired_item": one.index} for one in failures]
    made[main] = sorted([*made.get(main, ()), *passed], key=_place)
    return made


def _with_error(given: Sequence[Item], failure: ItemFailure) -> Item:
    item = given[failure.index]
    error = {"code": failure.code, "message": failure.message}
    return {**item, "json": {**item["json"], "error": error}, "paired_item": failure.index}


def _place(item: Item) -> int:
    paired = item.get("paired_item")
    return paired if isinstance(paired, int) else 0
