"""What data stands at a place in a workflow, and the expressions that reach it.

A workflow's place has a *subject*: the latest data that a node made or brought. Gates (conditions,
approvals, waits) hand it on, so that `$json` still is it; behind a node that makes something else
it is reached through the name of the node that has it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_service.authors.offline.reading import Constant, FieldOf, Source, Value

_TEMPLATE = re.compile(r"\{\{\s*\$json\.([\w.\[\]]+)\s*\}\}")
_EXPRESSION = re.compile(r"\{\{[^{}]*\}\}")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:\[\d+\])?(?:\.[A-Za-z_$][\w$]*(?:\[\d+\])?)*")
REQUEST = ("body", "query", "headers", "params", "method")
RESPONSE = ("status", "headers", "body")
ERROR = "error"
"""What stands in a response's place when there was none."""
STATUS_NAMES = frozenset({"status_code", "http_status", "http_code", "response_status",
                          "response_code", "http_status_code"})  # fmt: skip
"""What people call a response's status besides."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Data that a node holds.

    Attributes:
        node: The node's name.
        root: Where the data stands in the node's items: `body` for a webhook, empty for all.
        single: The node has just one item, as triggers have.
        text: The field that holds it, when the data is a text of a model's.
        fields: Names of its fields, as far as they were said.
        parts: What the items consist of besides, such as `headers`; may be named too.
    """

    node: str
    root: str = ""
    single: bool = False
    text: str = ""
    fields: Sequence[str] = ()
    parts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What can be referred to at a place.

    Attributes:
        subject: The latest data.
        input: What the trigger brought.
        record: The latest data that has fields; a model's text has none.
        direct: `$json` is the subject there.
        response: The latest request's whole answer, if its status may be looked at.
    """

    subject: Subject
    input: Subject
    record: Subject
    direct: bool = True
    response: Subject | None = None

    def made(self, subject: Subject) -> "Scope":
        """The place behind a node that made new data."""
        record = self.record if subject.text else subject
        return replace(self, subject=subject, record=record, direct=True)

    def answered(self, subject: Subject) -> "Scope":
        """The place behind a request, of whose answer either the whole or the body is there."""
        response = subject if subject.parts else None
        return replace(self.made(subject), response=response)

    def hidden(self) -> "Scope":
        """The place behind a node that hands on something else than the subject."""
        return replace(self, direct=False)

    def joined(self, other: "Scope") -> "Scope":
        """The place where two ways meet."""
        if self.subject == other.subject:
            return replace(self, direct=self.direct and other.direct)
        return replace(self, direct=False)

    def whole(self, source: Source) -> str:
        """The expression for whole data."""
        subject = self.subject if source is Source.SUBJECT else self.input
        whole = self._root(subject, subject.text or subject.root)
        if ERROR in subject.parts:
            return _wrapped(f"{whole} ?? {self._root(subject, ERROR)}")
        return _wrapped(whole)

    def field(self, path: str) -> str:
        """The expression for a field."""
        return _wrapped(self._field(path))

    def _field(self, path: str) -> str:
        subject = self._owner(path)
        head = path.partition(".")[0]
        if subject is self.response and head in STATUS_NAMES:
            return self._root(subject, "status")
        if not path:
            only = subject.fields[0] if subject.root == "data" and len(subject.fields) == 1 else ""
            return _dotted(self._root(subject, subject.text or subject.root), only)
        if head in subject.parts:
            return _dotted(self._root(subject, ""), path)
        return _dotted(self._root(subject, subject.root), path)

    def _owner(self, path: str) -> Subject:
        """Whose field it is: the input's if it was said to have it, else the latest record's."""
        if path in self.input.fields and path not in self.record.fields:
            return self.input
        if self.response is not None and path in {*STATUS_NAMES, *RESPONSE, ERROR}:
            return self.response
        return self.record

    def _root(self, subject: Subject, part: str) -> str:
        if subject == self.subject and self.direct:
            base = "$json"
        else:
            taken = "first()" if subject.single else "item"
            name = subject.node.replace("\\", "\\\\").replace("'", "\\'")
            base = f"$('{name}').{taken}.json"
        return _dotted(base, part)

    def value(self, value: Value) -> Any:
        """A value as a parameter holds it."""
        match value:
            case Constant():
                return self.constant(value.value)
            case FieldOf():
                return self.field(value.path)
            case Source():
                return self.whole(value)

    def constant(self, said: Any) -> Any:
        """A constant with the fields in it led to where they stand."""
        if isinstance(said, str):
            whole = said if "{{" not in _EXPRESSION.sub("", said) else spoken(said)
            return _TEMPLATE.sub(lambda found: self.field(found.group(1)), whole)
        return said

    def payload(self, value: Value | Mapping[str, Value]) -> Any:
        """What is sent or answered: an object of fields, or whole data as an object."""
        if isinstance(value, Mapping):
            return {name: self.value(one) for name, one in value.items()}
        if isinstance(value, Source):
            subject = self.subject if value is Source.SUBJECT else self.input
            if subject.text:
                return {subject.text: self.whole(value)}
        return self.value(value)

    def as_text(self) -> str:
        """The subject as text inside of a longer one."""
        subject = self.subject
        expression = self._root(subject, subject.text or subject.root)
        if subject.text:
            return _wrapped(expression)
        if subject is not self.response:
            return _wrapped(f"JSON.stringify({expression})")
        status = self._root(subject, "status")
        if ERROR in subject.parts:
            status = f"{status} ?? {self._root(subject, ERROR)}.message"
            expression = f"{expression} ?? null"
        return f"HTTP {_wrapped(status)}\n\n{_wrapped(f'JSON.stringify({expression})')}"


def spoken(words: str) -> str:
    """Somebody's words as text within a parameter: no part of them is an expression."""
    return words.replace("{{", "{ {")


def _dotted(base: str, path: str) -> str:
    if not path:
        return base
    if _IDENTIFIER.fullmatch(path):
        return f"{base}.{path}"
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'{base}["{quoted}"]'


def _wrapped(expression: str) -> str:
    return f"{{{{ {expression} }}}}"
