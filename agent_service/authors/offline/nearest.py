"""For a step that nothing matched: the node types that the library finds nearest to its words."""

from agent_service.author import Library
from shared.session_events import Plan, PlanStep

_MOST = 2


async def with_nearest(plan: Plan, library: Library) -> tuple[Plan, bool]:
    """The plan with a hint at each unmatched step, and whether only words could be compared."""
    lexical_only = False
    steps: list[PlanStep] = []
    for step in plan.steps:
        if step.node_type or not step.text.startswith("“"):
            steps.append(step)
            continue
        found = await library.search(step.text.strip("“”"), kind="node", limit=_MOST)
        lexical_only = lexical_only or found.lexical_only
        names = ", ".join(f"`{one.name}`" for one in found.passages)
        text = f"{step.text} (≈ {names})" if names else step.text
        steps.append(step.model_copy(update={"text": text}))
    return plan.model_copy(update={"steps": steps}), lexical_only
