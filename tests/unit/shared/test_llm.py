"""What holds for every model: counting, budgets, and calls of tools."""

from decimal import Decimal

import pytest

from shared.errors import InvalidInput
from shared.llm import Budget, Finish, Message, OutputSchema, Reply, ToolCall, Usage
from shared.llm_errors import BudgetExhausted, OutputInvalid


def usage(tokens: int, cost: str | None = "0") -> Usage:
    return Usage(input_tokens=tokens, cost_usd=None if cost is None else Decimal(cost))


def test_usages_add_up() -> None:
    total = Usage(1, 2, 3, 4, 5, Decimal("0.1")) + Usage(10, 20, 30, 40, 50, Decimal("0.2"))
    assert total == Usage(11, 22, 33, 44, 55, Decimal("0.3"))
    assert total.total_tokens == 33


def test_a_cost_that_is_partly_unknown_is_unknown() -> None:
    assert (usage(1, "0.5") + usage(1, None)).cost_usd is None
    assert (usage(1, None) + usage(1, "0.5")).cost_usd is None


def test_calls_at_the_same_time_cannot_pass_a_budget_together() -> None:
    budget = Budget(max_tokens=100)
    with budget.reserve(usage(60)) as first:
        with pytest.raises(BudgetExhausted):
            budget.reserve(usage(41))
        with budget.reserve(usage(40)) as second:
            second.settle(usage(10))
        first.settle(usage(20))
    assert budget.spent.total_tokens == 30
    budget.reserve(usage(70))


def test_two_equal_reservations_are_two() -> None:
    budget = Budget(max_tokens=100)
    with budget.reserve(usage(50)), budget.reserve(usage(50)), pytest.raises(BudgetExhausted):
        budget.reserve(usage(1))
    budget.reserve(usage(100))


def test_a_failed_call_gives_its_reservation_back() -> None:
    budget = Budget(max_tokens=100)
    with pytest.raises(ZeroDivisionError), budget.reserve(usage(100)):
        raise ZeroDivisionError
    assert budget.spent == Usage()
    budget.reserve(usage(100))


def test_a_call_given_up_is_charged_what_had_arrived() -> None:
    budget = Budget(max_tokens=100)
    with budget.reserve(usage(100)) as reservation:
        reservation.at_least = usage(7)
    assert budget.spent.total_tokens == 7


def test_a_budget_goes_on_from_what_was_spent_before() -> None:
    budget = Budget(max_cost_usd=Decimal(1), spent=usage(5, "0.9"))
    with pytest.raises(BudgetExhausted) as caught:
        budget.reserve(usage(1, "0.2"))
    assert caught.value.metadata == {"max_cost_usd": "1", "spent": "0.9"}
    assert not caught.value.retryable
    budget.reserve(usage(1, "0.1"))


def test_a_money_budget_refuses_a_model_without_a_price() -> None:
    with pytest.raises(BudgetExhausted) as caught:
        Budget(max_cost_usd=Decimal(1)).reserve(usage(1, None))
    assert caught.value.code == "MODEL_PRICE_UNKNOWN"
    Budget(max_tokens=1).reserve(usage(1, None))


@pytest.mark.parametrize("arguments", ["[1]", '"text"', "{", "null"])
def test_arguments_must_be_an_object(arguments: str) -> None:
    with pytest.raises(OutputInvalid) as caught:
        ToolCall("call_1", "look", arguments).parse()
    assert caught.value.code == "MODEL_TOOL_ARGUMENTS_INVALID"


def test_no_arguments_are_an_empty_object() -> None:
    assert ToolCall("call_1", "look", "").parse() == {}


def test_a_reply_becomes_the_assistants_message() -> None:
    call = ToolCall("call_1", "look", "{}")
    reply = Reply("p:m", "Looking.", Finish.TOOL_CALLS, Usage(), tool_calls=(call,))
    assert reply.message == Message.assistant("Looking.", [call])


def test_an_answers_schema_is_that_of_an_object() -> None:
    with pytest.raises(InvalidInput):
        OutputSchema("list", {"type": "array"})
