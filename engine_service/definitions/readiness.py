"""What a definition needs that its tenant may not have: credentials, and variables.

`validate` says whether a definition makes sense anywhere; this says whether it would work here.
Drafts may lack things, so validation only warns of them; activation refuses.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.catalogue import Catalogue
from engine_service.definitions.checks.diagnostic import Diagnostic, Severity
from engine_service.definitions.validate import validate
from engine_service.expressions import compile_parameters
from engine_service.store.credentials import READY, Reference, find_references
from engine_service.store.variables import find_names
from shared.workflow import Node, Workflow, pointer

_VARIABLE = re.compile(
    r"""\$vars\s*(?:\?\.|\.)\s*([A-Za-z_]\w*)|\$vars\s*\[\s*(['"])(\w+)\2\s*\]"""
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is missing; every finding is an error here.

    Attributes:
        credentials: Not there, not named, of another type, or not connected.
        parameters: Whatever keeps the definition from running anywhere.
        variables: Not there.
    """

    credentials: Sequence[Diagnostic] = ()
    parameters: Sequence[Diagnostic] = ()
    variables: Sequence[Diagnostic] = ()

    @property
    def missing(self) -> Sequence[Diagnostic]:
        """Everything that is."""
        return [*self.parameters, *self.credentials, *self.variables]


async def readiness(
    connection: AsyncConnection, workflow: Workflow, catalogue: Catalogue
) -> Readiness:
    """What is missing before a definition can run for the tenant of this transaction."""
    errors = [one for one in validate(workflow, catalogue) if one.severity is Severity.ERROR]
    return Readiness(
        await _missing_credentials(connection, workflow, catalogue),
        errors,
        await _missing_variables(connection, workflow, catalogue),
    )


async def warnings(
    connection: AsyncConnection, workflow: Workflow, catalogue: Catalogue
) -> list[Diagnostic]:
    """What the tenant of this transaction lacks, for those who only check a definition."""
    found = [
        *await _missing_credentials(connection, workflow, catalogue),
        *await _missing_variables(connection, workflow, catalogue),
    ]
    return [replace(one, severity=Severity.WARNING) for one in found]


async def _missing_credentials(
    connection: AsyncConnection, workflow: Workflow, catalogue: Catalogue
) -> list[Diagnostic]:
    named = {name for node in workflow.nodes for name in node.credentials.values()}
    known: dict[str, Reference] = {}
    for reference in await find_references(connection, sorted(named)):
        known.setdefault(reference.name, reference)
        known[reference.id] = reference
    return [
        found
        for place, node in enumerate(workflow.nodes)
        if not node.disabled
        for found in _of_node(pointer(["nodes", place, "credentials"]), node, known, catalogue)
    ]


def _of_node(
    base: str, node: Node, known: Mapping[str, Reference], catalogue: Catalogue
) -> Iterator[Diagnostic]:
    node_type = catalogue.find(node.type, node.version)
    if node_type is not None and node_type.needs_credential and not node.credentials:
        types = " or ".join(node_type.credential_types)
        yield Diagnostic(
            base,
            "missing_credential",
            f"{node.name!r} needs a credential of the type {types}.",
            "Create one, and name it here.",
        )
    for kind, name in node.credentials.items():
        where = base + pointer([kind])
        reference = known.get(name)
        if reference is None:
            yield Diagnostic(
                where,
                "unknown_credential",
                f"There is no credential {name!r}.",
                "Create it, or name another one.",
            )
        elif reference.type != kind:
            yield Diagnostic(
                where,
                "wrong_credential_type",
                f"The credential {name!r} is of the type {reference.type}, not {kind}.",
                "Name one of this type, or say its type.",
            )
        elif reference.status != READY:
            yield Diagnostic(
                where,
                "credential_not_connected",
                f"The credential {name!r} is not connected.",
                f"Connect it: POST /v1/credentials/{reference.id}:connect.",
            )


async def _missing_variables(
    connection: AsyncConnection, workflow: Workflow, catalogue: Catalogue
) -> list[Diagnostic]:
    used = list(_variables(workflow, catalogue))
    there = await find_names(connection, sorted({name for _, name in used}))
    return [
        Diagnostic(
            where,
            "unknown_variable",
            f"There is no variable {name!r}.",
            "Create it: POST /v1/variables.",
        )
        for where, name in dict.fromkeys(used)
        if name not in there
    ]


def _variables(workflow: Workflow, catalogue: Catalogue) -> Iterable[tuple[str, str]]:
    """Each variable that an expression names in so many words, with the place."""
    for place, node in enumerate(workflow.nodes):
        if node.disabled:
            continue
        node_type = catalogue.find(node.type, node.version)
        verbatim = node_type.verbatim if node_type is not None else ()
        for slot in compile_parameters(node.parameters, verbatim).slots:
            where = pointer(["nodes", place, "parameters"]) + slot.pointer
            for found in _VARIABLE.finditer(slot.expression.source):
                yield where, found[1] or found[3]
