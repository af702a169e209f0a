"""Which author a session gets: the offline one, or one that asks the configured models."""

from collections.abc import Callable

from agent_service.author import Author
from agent_service.authors.llm.author import LlmAuthor
from agent_service.authors.offline.author import OfflineAuthor
from agent_service.engine import Engine
from agent_service.settings import Settings
from shared.errors import InvalidInput
from shared.llm import Budget, Usage
from shared.llms import Models

Hire = Callable[[Usage], Author]


def open_agency(settings: Settings, models: Models, engine: Engine) -> Hire:
    """A function that gives a session's author, who knows what the session has spent so far.

    Raises:
        InvalidInput: AGENT_AUTHOR is llm and AGENT_MODELS names no model.
    """
    if settings.agent_author == "llm" and not settings.agent_models:
        raise InvalidInput("AGENT_AUTHOR is llm, and AGENT_MODELS names no model.")
    if settings.agent_author == "offline" or not settings.agent_models:
        offline = OfflineAuthor()
        return lambda _: offline
    names = {**settings.agent_step_models, "": settings.agent_models}

    def hire(spent: Usage) -> Author:
        budget = Budget(
            max_tokens=settings.agent_session_max_tokens,
            max_cost_usd=settings.agent_session_max_cost_usd,
            spent=spent,
        )
        return LlmAuthor(models, names, budget, engine)

    return hire
