"""What an author's Python may not say, and which nodes it speaks of.

The interpreter that runs it has no inside to reach; this is the first of two doors, and the one
that says in words what is not there. It reads the source and never runs it.
"""

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from engine_service.code.results import SYNTAX, CodeError

FORBIDDEN = "CODE_FORBIDDEN"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = _words(
    """asyncio base64 collections copy datetime decimal functools hashlib itertools json math random
    re time typing __future__"""
)
"""What may be imported."""

_UNDERSCORED = re.compile(r"__\w*")
_MANGLED = re.compile(r"_[A-Za-z]\w*?__\w+")
_METHODS = _words(
    """__init__ __repr__ __str__ __len__ __iter__ __next__ __getitem__ __setitem__ __delitem__
    __contains__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__ __add__ __sub__ __mul__
    __truediv__ __floordiv__ __mod__ __pow__ __neg__ __abs__ __call__ __enter__ __exit__
    __import__"""
)
"""What a class may define, and the one function of that form."""

_INSIDES = _words(
    """ag_await ag_code ag_frame cr_await cr_code cr_frame f_back f_builtins f_code f_globals
    f_lasti f_lineno f_locals f_trace gi_code gi_frame gi_yieldfrom tb_frame tb_lasti tb_lineno
    tb_next"""
)
"""Attributes that lead from a value to the interpreter."""

_FORMATTERS = frozenset({"format", "format_map"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A source that may run: which nodes it names, or that it computes their names."""

    nodes: frozenset[str]
    dynamic_nodes: bool


def read_python(code: str) -> Reading:
    """Read an author's code.

    Raises:
        CodeError: It cannot be read, or says what it may not.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        message = f"SyntaxError: {error.msg} (line {error.lineno})"
        raise CodeError(message, code=SYNTAX, line=error.lineno) from None
    except (ValueError, RecursionError, MemoryError):
        raise CodeError("The code is nested too deeply, or holds a null", code=SYNTAX) from None
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        for trouble in _troubles(node, called):
            line = getattr(node, "lineno", None)
            raise CodeError(f"{trouble} (line {line})", code=FORBIDDEN, line=line)
    return _reading(tree)


def _troubles(node: ast.AST, called: set[int]) -> Iterator[str]:
    yield from (trouble for name in _names_in(node) for trouble in _of_name(name))
    match node:
        case ast.Import(names=names):
            yield from (trouble for one in names for trouble in _of_module(one.name))
        case ast.ImportFrom(module=module, level=level):
            yield from _of_module("." * level + (module or ""))
        case ast.MatchClass(patterns=patterns, kwd_attrs=attributes):
            if patterns:
                yield "A pattern of a class may name attributes only"
            yield from (trouble for name in attributes for trouble in _of_attribute(name))
        case ast.Attribute(attr=name):
            yield from _of_attribute(name)
            if name in _FORMATTERS and id(node) not in called:
                yield f"`{name}` must be called where it is named"
        case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name)), *_]):
            yield from _of_module(name)
        case ast.Call(func=ast.Name(id="__import__")):
            yield "A module must be named"
        case ast.Constant(value=str(text)):
            yield from _of_text(text)
        case _:
            return


def _names_in(node: ast.AST) -> Iterator[str | None]:
    """Names that a node uses or binds by itself."""
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (one.asname or one.name for one in names)
        case ast.Name(id=name) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            yield name
        case ast.Global(names=several) | ast.Nonlocal(names=several):
            yield from several
        case ast.MatchMapping(rest=name):
            yield name
        case _:
            return


def _of_module(name: str) -> Iterator[str]:
    if name.partition(".")[0] not in MODULES:
        yield f"There is no module {name!r} here"


def _of_name(name: str | None) -> Iterator[str]:
    if name is not None and _UNDERSCORED.fullmatch(name) and name not in _METHODS:
        yield f"The name {name!r} is not for authors"


def _of_attribute(name: str) -> Iterator[str]:
    leads_inside = name in _INSIDES or _UNDERSCORED.fullmatch(name) or _MANGLED.fullmatch(name)
    if leads_inside and name != "__init__":
        yield f"The attribute {name!r} cannot be read"


def _of_text(text: str) -> Iterator[str]:
    """A text that would read attributes when it is used as a format."""
    if "{" not in text or "__" not in text:
        return
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError:
        return  # no format, so nothing can come of it
    for _, name, specification, _ in fields:
        parts = re.split(r"[.\[\]]", name or "")
        if any(_UNDERSCORED.fullmatch(part) for part in parts):
            yield f"A format cannot read {name!r}"
        yield from _of_text(specification or "")


def _reading(tree: ast.AST) -> Reading:
    nodes: set[str] = set()
    dynamic = False
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="_"), args=[ast.Constant(value=str(name)), *_]):
                nodes.add(name)
            case ast.Subscript(value=ast.Name(id="_node"), slice=ast.Constant(value=str(name))):
                nodes.add(name)
            case ast.Call(func=ast.Name(id="_")) | ast.Subscript(value=ast.Name(id="_node")):
                dynamic = True
            case _:
                pass
    return Reading(frozenset(nodes), dynamic)
