"""Checks values against JSON Schemas that authors write, within bounds.

Nothing is ever fetched for a reference, patterns run in their own time, and a schema that goes
round in circles or multiplies is stopped.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from engine_service.values import patterns
from engine_service.values.equality import value_key
from engine_service.values.patterns import BadPattern
from shared.workflow import JsonObject

MOST_STEPS = 200_000
MOST_ERRORS = 100
Keyword = Callable[[Any, Any, Any, Any], Any]


class BadSchema(ValueError):
    """The schema is malformed, or cannot be checked in time."""


@dataclass(slots=True)
class _Steps:
    left: int


_steps: ContextVar[_Steps] = ContextVar("schema_steps")


def _counted(name: str, keyword: Keyword) -> Keyword:
    """The same keyword, which counts how often it is applied."""
    cost = 20 if name.endswith("Ref") or name == "$ref" else 1  # looking up takes longer

    def apply(validator: Any, rule: Any, instance: Any, schema: Any) -> Any:
        steps = _steps.get()
        steps.left -= cost
        if steps.left < 0:
            raise BadSchema("the schema needs too many steps for this value")
        return keyword(validator, rule, instance, schema)

    return apply


def _pattern(validator: Any, rule: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    del schema
    if validator.is_type(instance, "string") and not patterns.search(rule, instance):
        yield ValidationError(f"{_short(instance)} does not match {rule!r}")


def _pattern_properties(
    validator: Any, rule: JsonObject, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    del schema
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in rule.items():
        for name, value in instance.items():
            if patterns.search(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _unique(validator: Any, rule: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    del schema
    if not rule or not validator.is_type(instance, "array"):
        return
    if len({value_key(each) for each in instance}) < len(instance):
        yield ValidationError(f"{_short(instance)} has equal members")


def _additional(
    validator: Any, rule: Any, instance: Any, schema: JsonObject
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known = schema.get("properties", {})
    matched = tuple(schema.get("patternProperties", {}))
    for name, value in instance.items():
        if name in known or any(patterns.search(pattern, name) for pattern in matched):
            continue
        if rule is False:
            yield ValidationError(f"the field {name!r} is not expected")
        else:
            yield from validator.descend(value, rule, path=name)


_OWN: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique,
    "additionalProperties": _additional,
}
_FORMATS = FormatChecker(formats=("date", "email", "ipv4", "ipv6", "uuid"))


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_KEYWORDS: dict[str, Keyword] = {**Draft202012Validator.VALIDATORS, **_OWN}
_validators: Any = validators  # its types say too little
_Validator: Any = _validators.extend(
    Draft202012Validator, {name: _counted(name, keyword) for name, keyword in _KEYWORDS.items()}
)


class Schema:
    """A schema that values are held against."""

    def __init__(self, schema: JsonObject | bool) -> None:
        """Take a schema.

        Raises:
            BadSchema: It is none.
        """
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise BadSchema(f"{_pointer(error)}: {error.message[:300]}") from error
        except RecursionError as error:
            raise BadSchema("the schema is nested too deeply") from error
        self._validator = _Validator(schema, registry=EMPTY_REGISTRY, format_checker=_FORMATS)

    def violations(self, value: Any) -> list[JsonObject]:
        """What is wrong with a value: where, which keyword says so, and in words.

        Raises:
            BadSchema: The schema refers to what is not in it, or takes too long.
        """
        token = _steps.set(_Steps(MOST_STEPS))
        try:
            found = islice(self._validator.iter_errors(value), MOST_ERRORS)
            return [
                {"pointer": _pointer(e), "keyword": str(e.validator), "message": e.message[:500]}
                for e in found
            ]
        except Unresolvable as error:
            raise BadSchema(f"the schema refers to {error.ref!r}, which is not in it") from error
        except BadPattern as error:
            raise BadSchema(str(error)) from error
        except RecursionError as error:
            raise BadSchema("the schema goes round in circles") from error
        finally:
            _steps.reset(token)


def _pointer(error: ValidationError | SchemaError) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
    return "".join(f"/{step}" for step in steps)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
