"""The expression language: `{{ JavaScript }}` in a node's parameters.

Parameters go in as JSON, with the data they may see (`Scope`); filled parameters come out. A text
is read by `template`, its expressions by `syntax` and `javascript`; plain paths are answered by
`paths`, the rest by V8 in a worker process through `evaluator`. `js/` says what the names mean.

    compiled = compile_parameters(node.parameters)
    filled = compiled.try_resolve(scope) or await evaluator.resolve(compiled, scope)
"""

from engine_service.expressions.evaluator import Evaluator
from engine_service.expressions.failure import ExpressionError
from engine_service.expressions.parameters import CompiledParameters, Row, compile_parameters
from engine_service.expressions.scope import NodeOutput, Scope
from engine_service.expressions.template import (
    Expression,
    Template,
    find_expressions,
    json_paths,
    parse,
    references,
)

__all__ = [
    "CompiledParameters",
    "Evaluator",
    "Expression",
    "ExpressionError",
    "NodeOutput",
    "Row",
    "Scope",
    "Template",
    "compile_parameters",
    "find_expressions",
    "json_paths",
    "parse",
    "references",
]
