"""The conversation on one page: which step follows which. Nothing here decides what a step does.

understand ─┬─▶ clarify ▶ ·              asks, and the turn ends
├─▶ explain ▶ ·
├─▶ plan ─┬─▶ clarify ▶ ·    when the person wants to see the plan first
│         ├─▶ gap ▶ alternatives ─┬─▶ ·     asks which way around to take
│         │                       └─▶ draft
│         └─▶ draft ─┐
├─▶ patch ───────────┴▶ check ⇄ repair
│                         └─▶ try ─┬─▶ repair
└─▶ ·                              └─▶ deliver ▶ ·
"""

from typing import Any, Literal, Protocol

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import StateSnapshot

from agent_service.author import Intent
from agent_service.desk import Desk, step
from agent_service.state import State
from agent_service.steps.alternatives import alternatives
from agent_service.steps.check import check
from agent_service.steps.clarify import PLAN_QUESTION, clarify
from agent_service.steps.deliver import deliver
from agent_service.steps.draft import draft
from agent_service.steps.explain import explain
from agent_service.steps.gap import gap
from agent_service.steps.patch import patch
from agent_service.steps.plan import plan
from agent_service.steps.repair import repair
from agent_service.steps.try_out import try_out
from agent_service.steps.understand import understand
from shared.workflow import JsonObject


class Conversation(Protocol):
    """The compiled graph, as far as it is used; the library's own types are partly unknown."""

    async def aget_state(self, config: RunnableConfig) -> StateSnapshot: ...

    async def ainvoke(
        self,
        input: JsonObject | None,  # noqa: A002 (the library's name)
        config: RunnableConfig,
        *,
        context: Desk,
        durability: Literal["sync"],
    ) -> JsonObject: ...


Checkpointer = BaseCheckpointSaver[str]


def build(checkpointer: Checkpointer, max_repairs: int) -> Conversation:
    """Wire the steps together."""
    graph: Any = StateGraph(State, context_schema=Desk)  # its methods are partly untyped
    graph.add_node("understand", step("understand", understand))
    graph.add_node("clarify", step("clarify", clarify))
    graph.add_node("explain", step("explain", explain))
    graph.add_node("plan", step("plan", plan))
    graph.add_node("gap", step("gap", gap))
    graph.add_node("alternatives", step("alternatives", alternatives))
    graph.add_node("draft", step("draft", draft))
    graph.add_node("patch", step("patch", patch))
    graph.add_node("check", step("check", check))
    graph.add_node("repair", step("repair", repair))
    graph.add_node("try", step("try", try_out))
    graph.add_node("deliver", step("deliver", deliver))

    def may_repair(state: State) -> bool:
        return not state.stuck and state.repairs < max_repairs

    def after_check(state: State) -> Literal["try", "repair", "deliver"]:
        if state.valid:
            return "try"
        return "repair" if may_repair(state) else "deliver"

    def after_try(state: State) -> Literal["repair", "deliver"]:
        return "repair" if state.trial_error and may_repair(state) else "deliver"

    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _after_understand)
    graph.add_edge("clarify", END)
    graph.add_edge("explain", END)
    graph.add_conditional_edges("plan", _after_plan)
    graph.add_conditional_edges("gap", _after_gap)
    graph.add_conditional_edges("alternatives", _after_alternatives)
    graph.add_edge("draft", "check")
    graph.add_conditional_edges("patch", _after_patch)
    graph.add_conditional_edges("check", after_check)
    graph.add_conditional_edges("repair", _after_repair)
    graph.add_conditional_edges("try", after_try)
    graph.add_edge("deliver", END)
    return graph.compile(checkpointer=checkpointer)


def _after_understand(
    state: State,
) -> Literal["clarify", "explain", "plan", "patch", "__end__"]:
    match state.intent:
        case Intent.EXPLAIN:
            return "explain"
        case Intent.BUILD:
            return "clarify" if state.missing else "plan"
        case Intent.EDIT:
            return "clarify" if state.missing else "patch"
        case _:
            return "__end__"


def _after_plan(state: State) -> Literal["clarify", "gap", "draft"]:
    if state.show_plan_first and PLAN_QUESTION not in state.asked:
        return "clarify"
    return "gap" if state.gaps else "draft"


def _after_gap(state: State) -> Literal["alternatives", "draft"]:
    return "alternatives" if state.gaps else "draft"


def _after_alternatives(state: State) -> Literal["draft", "__end__"]:
    return "__end__" if state.outcome else "draft"


def _after_patch(state: State) -> Literal["check", "__end__"]:
    return "__end__" if state.outcome else "check"


def _after_repair(state: State) -> Literal["check", "deliver"]:
    return "deliver" if state.stuck else "check"
