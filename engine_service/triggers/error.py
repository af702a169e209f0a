"""`trigger.error`: a run of a workflow that names this one as its error workflow has failed."""

from typing import ClassVar

from engine_service.sdk.node import NodeParameters
from engine_service.sdk.trigger import Trigger
from shared.workflow import JsonObject


class ErrorParameters(NodeParameters):
    """There is nothing to set."""


class ErrorTrigger(Trigger[ErrorParameters]):
    """Starts a run when a live run of another workflow has failed.

    Name this workflow in the other's settings as `error_workflow`. The item says what happened:
    `run` (`id`, `mode`, `trigger`, `failed_at`), `workflow` (`id`, `name`, `version`) and `error`
    (`code`, `message`, `node` with `id`, `name` and `type`); `execution` says the same in n8n's
    words. It begins in the transaction in which the run fails, once for each.

    An error in this workflow, or in one that it calls, starts nothing.
    """

    Parameters = ErrorParameters
    type = "trigger.error"
    title = "When a run fails"
    examples: ClassVar[tuple[JsonObject, ...]] = ({},)
    keywords = (
        "error", "error workflow", "failure", "failed run", "on error", "alert on failure",
        "catch errors", "出错时", "错误工作流", "失败时", "报警",
    )  # fmt: skip
