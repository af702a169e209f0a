"""SQL as n8n's nodes write it, with the values taken out: a statement with `$1`, `$2` …, and them.

There an expression's text becomes part of the statement. Here it is a value beside it, which is
the same wherever a value stands, and safe. Where it would be a name or a keyword, there is none.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine_service.expressions import Expression, parse
from engine_service.n8n.fields import CannotMap

_VALUE_FOLLOWS = re.compile(
    r"(?:[=<>(,+*/%|-]|\b(?:LIKE|ILIKE|IN|THEN|ELSE|WHEN|AND|OR|BETWEEN|LIMIT|OFFSET))\s*\Z",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\$\d")


@dataclass(slots=True)
class Statement:
    """A statement on its way: its text so far, and the values that it speaks of."""

    text: str = ""
    values: list[Any] = field(default_factory=list[Any])

    def add(self, value: Any) -> str:
        """Keep a value; what stands for it in the text."""
        self.values.append(value)
        return f"${len(self.values)}"


def quoted(*names: str) -> str:
    """Names of schemas, tables or columns as SQL writes them.

    Raises:
        CannotMap: One is only known in a run.
    """
    if any("{{" in name for name in names):
        raise CannotMap("Its statement has a name that is only known in a run.")
    return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)


def beside(sql: str) -> Statement:
    """A statement whose expressions are taken out.

    Raises:
        CannotMap: An expression stands where no value can, or there are numbered values already.
    """
    parts = parse(sql).parts
    if len(parts) > 1 and _PLACEHOLDER.search("".join(p for p in parts if isinstance(p, str))):
        raise CannotMap("Its statement has both numbered values and expressions.")
    made = Statement()
    literal: str | None = None  # what stands between quotes, as far as it was read
    for part in parts:
        if isinstance(part, Expression):
            shown = f"{{{{ {part.source} }}}}"
            if literal is not None:
                literal += shown
            elif _VALUE_FOLLOWS.search(made.text):
                made.text += made.add(shown)
            else:
                raise CannotMap("Its statement is put together from more than values.")
        else:
            literal = _read(part, literal, made)
    if literal is not None:
        raise CannotMap("A text in its statement does not end.")
    return made


def _read(text: str, literal: str | None, made: Statement) -> str | None:
    """Go through a piece without expressions; the literal that is open at its end, if any."""
    for piece in re.split(r"(''|')", text):
        if literal is None:
            if piece == "''":
                made.text += piece
            elif piece == "'":
                literal = ""
            else:
                made.text += piece
        elif piece == "'":
            whole = literal
            literal = None
            made.text += made.add(whole) if "{{" in whole else _written(whole)
        else:
            literal += "'" if piece == "''" else piece
    return literal


def _written(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_COMPARISONS = {
    "equal": "=", "=": "=", "!=": "<>", "LIKE": "LIKE", ">": ">", "<": "<", ">=": ">=", "<=": "<=",
}  # fmt: skip


def condition(rows: Iterable[tuple[str, str, Any]], joint: str, made: Statement) -> str:
    """What comes behind WHERE, for columns, how they are compared, and with what.

    Raises:
        CannotMap: There is no such comparison.
    """
    tests: list[str] = []
    for column, comparison, value in rows:
        if comparison in ("IS NULL", "IS NOT NULL"):
            tests.append(f"{quoted(column)} {comparison}")
        elif comparison in _COMPARISONS:
            tests.append(f"{quoted(column)} {_COMPARISONS[comparison]} {made.add(value)}")
        else:
            raise CannotMap(f"There is no counterpart of the condition {comparison!r}.")
    return f" {'OR' if joint == 'OR' else 'AND'} ".join(tests)


def columns_of(names: Sequence[str]) -> str:
    """Columns to give; all when none is named."""
    return "*" if not names or "*" in names else ", ".join(map(quoted, names))
