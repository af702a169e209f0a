"""What an expression's failure says: a code, a message, and where in which text."""

from shared.errors import InvalidInput

SYNTAX = "EXPRESSION_SYNTAX"
FORBIDDEN = "EXPRESSION_FORBIDDEN"
FAILED = "EXPRESSION_FAILED"
TIMEOUT = "EXPRESSION_TIMEOUT"
MEMORY = "EXPRESSION_MEMORY"
NO_INPUT_ITEM = "NO_INPUT_ITEM"
NODE_NOT_EXECUTED = "NODE_NOT_EXECUTED"
NO_PAIRED_ITEM = "NO_PAIRED_ITEM"


class ExpressionError(InvalidInput):
    """An expression is malformed, forbidden, failed or went over a limit.

    Attributes:
        expression: The source between the braces.
        position: Offset in that source, or of the expression in its text when that is all we know.
        pointer: JSON Pointer of the parameter within the node's parameters.
        item_index: The input item for which it failed; None when it does not depend on one.
    """

    reason = FAILED

    def __init__(
        self,
        message: str,
        *,
        code: str = FAILED,
        expression: str = "",
        position: int = 0,
        pointer: str = "",
        item_index: int | None = None,
    ) -> None:
        metadata = {"expression": expression[:200], "position": str(position), "pointer": pointer}
        if item_index is not None:
            metadata["item_index"] = str(item_index)
        super().__init__(message, reason=code, metadata=metadata)
        self.expression = expression
        self.position = position
        self.pointer = pointer
        self.item_index = item_index

    def located(
        self, *, expression: str, pointer: str, item_index: int | None
    ) -> "ExpressionError":
        """The same failure of this expression, at this parameter and item."""
        return ExpressionError(
            self.message,
            code=self.code,
            expression=expression,
            position=self.position,
            pointer=pointer,
            item_index=item_index,
        )
