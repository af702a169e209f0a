"""Says everything that is wrong with a definition, before anything runs.

A definition comes in, whoever wrote it; diagnostics go out, in order of place. Nothing here raises
for what a definition holds, and nothing takes more than linear time. The checks are in `checks/`.
"""

from collections.abc import Iterable, Sequence

from engine_service.catalogue import Catalogue
from engine_service.definitions.checks import CHECKS
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity, Subject
from shared.errors import InvalidInput, Violation
from shared.workflow import Workflow, parse


def validate_document(document: bytes, catalogue: Catalogue) -> list[Diagnostic]:
    """What is wrong with a definition as text: with its form or, if that is right, its sense."""
    try:
        workflow = parse(document)
    except InvalidInput as error:
        return [
            Diagnostic(found.pointer, found.code, found.message, found.suggestion)
            for found in error.violations
        ]
    return validate(workflow, catalogue)


def validate(workflow: Workflow, catalogue: Catalogue) -> list[Diagnostic]:
    """What is wrong with a well-formed definition."""
    subject = Subject(workflow, catalogue)
    found = [diagnostic for check in CHECKS for diagnostic in check(subject)]
    return in_order(found)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics in the order of their places."""
    return sorted(diagnostics, key=lambda one: (_place(one.pointer), one.code))


def is_valid(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether a definition with these diagnostics could run."""
    return all(one.severity is not Severity.ERROR for one in diagnostics)


def require_valid(diagnostics: Sequence[Diagnostic], purpose: str) -> None:
    """Refuse what could not run.

    Raises:
        InvalidInput: Some diagnostic is an error; each one is a violation.
    """
    errors = [one for one in diagnostics if one.severity is Severity.ERROR]
    if errors:
        raise InvalidInput(
            f"The workflow cannot be {purpose} as it is.",
            reason="INVALID_DEFINITION",
            violations=[Violation(e.pointer, e.code, e.message, e.suggestion) for e in errors],
        )


def _place(place: str) -> list[tuple[int, str]]:
    """Orders pointers as the document does: by section, then by number, then by name."""
    return [
        (int(step), "") if step.isdecimal() and step.isascii() else (_SECTIONS.get(step, -1), step)
        for step in place.split("/")[1:]
    ]


_SECTIONS = {"settings": -4, "nodes": -3, "connections": -2}
