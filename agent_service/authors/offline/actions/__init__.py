"""What a clause can ask to be done: one recognizer per kind of step, in the order they are asked.

Each takes a clause (literal parts set aside) and gives a step, or None when the clause is not its
business. The first that answers is right; a clause that none answers is unmatched.
"""

from collections.abc import Callable

from agent_service.authors.offline.actions.answers import read_answer
from agent_service.authors.offline.actions.approvals import read_approval
from agent_service.authors.offline.actions.arrangements import read_arrangement
from agent_service.authors.offline.actions.code import read_code
from agent_service.authors.offline.actions.connectors import read_connector
from agent_service.authors.offline.actions.endings import read_ending
from agent_service.authors.offline.actions.fields import read_fields
from agent_service.authors.offline.actions.foreign import read_foreign, read_notice
from agent_service.authors.offline.actions.language import (
    read_language_task,
    read_model_task,
)
from agent_service.authors.offline.actions.lists import read_list_work
from agent_service.authors.offline.actions.mail import read_mail
from agent_service.authors.offline.actions.named import read_named_node
from agent_service.authors.offline.actions.pauses import read_pause
from agent_service.authors.offline.actions.requests import (
    read_lookup,
    read_request,
    read_request_to_address,
)
from agent_service.authors.offline.reading import Step
from agent_service.authors.offline.text import Text

Recognizer = Callable[[str, Text], Step | None]

RECOGNIZERS: tuple[Recognizer, ...] = (
    read_ending,
    read_approval,
    read_pause,
    read_mail,
    read_connector,
    read_request,
    read_arrangement,
    read_answer,
    read_list_work,
    read_fields,
    read_code,
    read_named_node,
    read_model_task,
    read_foreign,
    read_language_task,
    read_notice,
    read_lookup,
)

STATEMENT_RECOGNIZERS: tuple[Recognizer, ...] = (
    read_ending,
    read_approval,
    read_connector,
    read_request_to_address,
    read_named_node,
)
"""Who is asked about a clause that tells how things are, and wants nothing done by its grammar."""
