"""The node that a workflow begins with, and the data that stands behind it."""

from agent_service.authors.offline import parameters
from agent_service.authors.offline.canvas import Canvas
from agent_service.authors.offline.labels import start_label
from agent_service.authors.offline.places import End, Place
from agent_service.authors.offline.reading import (
    Answer,
    ForeignStart,
    ManualStart,
    Reading,
    ScheduleStart,
    WebhookStart,
    walk,
)
from agent_service.authors.offline.scope import REQUEST, Scope, Subject
from agent_service.authors.offline.words import words_for


def begin(reading: Reading, canvas: Canvas) -> Place:
    """Put the trigger on the canvas; the place behind it."""
    start = reading.start
    label = start_label(start, reading.language)
    empty = Subject("")
    nowhere = Place((), Scope(empty, empty, empty))
    answers = any(isinstance(step, Answer) for step in walk(reading.steps))
    match start:
        case WebhookStart():
            given = parameters.webhook(start, reading.title, responds=answers)
            node = canvas.add("trigger.webhook", label, given, nowhere)
            root = "query" if list(start.methods) == ["GET"] else "body"
            subject = Subject(
                node["name"], root, single=True, fields=tuple(start.fields), parts=REQUEST
            )
        case ScheduleStart():
            node = canvas.add("trigger.schedule", label, {"rules": list(start.rules)}, nowhere)
            subject = Subject(node["name"], single=True)
        case ManualStart():
            node = canvas.add("trigger.manual", label, parameters.manual(start), nowhere)
            subject = Subject(node["name"], single=True, fields=tuple(start.inputs))
        case ForeignStart():
            notes = words_for(reading.language).placeholder(start.phrase)
            node = canvas.add("trigger.manual", label, {}, nowhere, notes)
            canvas.unmatched.append(node["id"])
            subject = Subject(node["name"], single=True)
    return Place([End(node["id"])], Scope(subject, subject, subject))
