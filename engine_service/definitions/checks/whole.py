"""Checks the workflow as a whole: its settings, and names that may occur only once."""

from collections import Counter
from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from shared.workflow import pointer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is wrong with settings, ids, names and pinned data."""
    yield from _check_timezone(subject)
    yield from _check_names(subject)
    yield from _check_pinned(subject)


def _check_timezone(subject: Subject) -> Iterator[Diagnostic]:
    zone = subject.workflow.settings.timezone
    if not _is_timezone(zone):
        yield Diagnostic(
            "/settings/timezone",
            "unknown_timezone",
            f"There is no time zone {zone!r}.",
            subject.nearest(zone, available_timezones())
            or "Use a name such as 'Europe/Berlin' or 'UTC'.",
        )


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or the name of a folder
        return False
    return True


def _check_names(subject: Subject) -> Iterator[Diagnostic]:
    """Connections refer to nodes by id and expressions by name, so neither may repeat."""
    ids: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for place, node in enumerate(subject.nodes):
        ids[node.id] += 1
        names[node.name] += 1
        if ids[node.id] > 1:
            yield Diagnostic(
                pointer(["nodes", place, "id"]),
                "duplicate_node_id",
                f"Another node has the id {node.id!r} already.",
                f"Use another id, such as '{node.id[:60]}_{ids[node.id]}'.",
            )
        if names[node.name] > 1:
            yield Diagnostic(
                pointer(["nodes", place, "name"]),
                "duplicate_node_name",
                f"Another node is called {node.name!r} already.",
                f"Use another name, such as '{node.name[:110]} {names[node.name]}'.",
            )


def _check_pinned(subject: Subject) -> Iterator[Diagnostic]:
    for node_id in subject.workflow.pinned:
        if node_id not in subject.index:
            yield Diagnostic(
                pointer(["pinned", node_id]),
                "unknown_node",
                f"Items are pinned to {node_id!r}, but no node has this id.",
                subject.nearest(node_id, subject.index) or "Remove them.",
                Severity.WARNING,
            )
