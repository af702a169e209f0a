"""Values as n8n writes them, in our words.

There a text that begins with `=` holds expressions and every other text is what it is; here a text
holds expressions where it has braces. The language inside the braces is the same.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

import orjson

from engine_service.expressions import Expression, compile_parameters, parse
from shared.workflow import JsonObject

_BRACES = "{{"
_ABSENT = re.compile(
    r"""\$execution\.(?:resumeUrl|resumeFormUrl|customData|mode)\b|\$workflow\.active\b
    |\$input\.(?:params|context)\b|\$(?:parameter|rawParameter|mode)\b|\$node(?:\.\w+|\[[^\]]*\])\.(?:context|parameter|runIndex)\b
    |\$\([^)]*\)\.(?:params|context)\b""",
    re.VERBOSE,
)
"""Members that n8n's names have and ours lack, or mean otherwise."""
_QUOTE = re.compile(r'(?<!\\)"')
_MARK = "\ue000"
_MARKED = re.compile(rf"{_MARK}(\d+){_MARK}")
_AS_JSON = "((v) => typeof v === 'object' ? JSON.stringify(v) : String(v))"
_NAME_OF_NODE = re.compile(r"""(\$\(\s*|\$node\[\s*|\$items\(\s*)(["'`])((?:(?!\2).)+)\2""")


def translate(value: Any) -> Any:
    """A parameter's value, with everything in it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [translate(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: translate(each) for name, each in cast("JsonObject", value).items()}
    return value


def is_expression(value: Any) -> bool:
    """Whether n8n would compute this value when the workflow runs."""
    return isinstance(value, str) and value.startswith("=") and _BRACES in value


def truth_of(value: Any) -> Any:
    """Whether a value that stands for a flag is true, as far as that is known before a run."""
    if not isinstance(value, str) or _BRACES not in value:
        return bool(value)
    parts = parse(value).parts
    alone = parts[0] if len(parts) == 1 else None
    return f"{{{{ !!({alone.source}) }}}}" if isinstance(alone, Expression) else True


def with_json_inside(value: Any) -> Any:
    """A JSON text whose bare expressions give JSON: lists and null as such, texts as they are."""
    if not isinstance(value, str) or _BRACES not in value:
        return value
    parts = parse(value).parts
    if len(parts) == 1:
        return value
    written, quoted = "", False
    for part in parts:
        if isinstance(part, str):
            written += part.replace(_BRACES, "\\" + _BRACES)
            quoted ^= len(_QUOTE.findall(part)) % 2 == 1
        elif quoted:
            written += f"{{{{ {part.source} }}}}"
        else:
            written += f"{{{{ {_AS_JSON}({part.source}) }}}}"
    return written


def read_json(text: str) -> Any:
    """A JSON text with expressions in it, as the value that it becomes; they stay where they are.

    Raises:
        ValueError: It is no JSON before it is filled.
    """
    written, quoted = "", False
    found: list[str] = []
    for part in parse(text).parts:
        if isinstance(part, str):
            written += part
            quoted ^= len(_QUOTE.findall(part)) % 2 == 1
        else:
            mark = f"{_MARK}{len(found)}{_MARK}"
            found.append(f"{{{{ {part.source} }}}}")
            written += mark if quoted else f'"{mark}"'
    return _put_back(orjson.loads(written), found)


def _put_back(value: Any, found: list[str]) -> Any:
    if isinstance(value, str):
        return _MARKED.sub(lambda mark: found[int(mark[1])], value)
    if isinstance(value, list):
        return [_put_back(each, found) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("JsonObject", value).items()
        return {_put_back(name, found): _put_back(each, found) for name, each in fields}
    return value


def rename(value: Any, names: dict[str, str]) -> Any:
    """The value with references to nodes changed to what they are called now."""
    if not names:
        return value
    if isinstance(value, str):
        return _NAME_OF_NODE.sub(lambda found: _renamed(found, names), value)
    if isinstance(value, list):
        return [rename(each, names) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: rename(each, names) for name, each in cast("JsonObject", value).items()}
    return value


def troubles(parameters: JsonObject, verbatim: tuple[str, ...]) -> Iterator[str]:
    """What expressions use that there is not here, each said once."""
    told: set[str] = set()
    for slot in compile_parameters(parameters, verbatim).slots:
        found = slot.expression
        if found.problem is not None:
            told.add(
                f"The expression {found.source[:80]!r} cannot be read: {found.problem.message}."
            )
        told.update(f"Expressions know no {name!r} here." for name in found.facts.unknown)
        told.update(
            f"{member[0]} means nothing here, or something else."
            for member in _ABSENT.finditer(found.source)
        )
    yield from sorted(told)


def _text(text: str) -> str:
    if text.startswith("="):
        return text[1:]
    return text.replace(_BRACES, "\\" + _BRACES)


def _renamed(found: re.Match[str], names: dict[str, str]) -> str:
    return f"{found[1]}{found[2]}{names.get(found[3], found[3])}{found[2]}"
