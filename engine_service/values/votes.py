"""When a question is decided: a quorum of those who may answer, and what a no does to it."""

from collections.abc import Sequence

YES, NO, FILLED = "approve", "reject", "submit"


def verdict(
    decisions: Sequence[str], quorum: int, voters: int, *, first_rejection_decides: bool
) -> str | None:
    """What several decisions come to: `approved`, `rejected`, `submitted`, or None: nothing yet.

    Only what is explicitly a yes counts as one.

    Args:
        decisions: What was said so far, one a person.
        quorum: How many must say yes.
        voters: How many may answer; 0 when nobody in particular was asked.
        first_rejection_decides: Otherwise it is a no once the quorum is out of reach; where it is
            not known how many may answer, once as many say no as would have had to say yes.
    """
    if FILLED in decisions:
        return "submitted"
    agreed, against = decisions.count(YES), decisions.count(NO)
    if against and first_rejection_decides:
        return "rejected"
    if agreed >= quorum:
        return "approved"
    still_possible = voters - against if voters else 2 * quorum - 1 - against
    return "rejected" if still_possible < quorum else None


def part_of(names: Sequence[str], approvers: Sequence[str]) -> str | None:
    """Which of the approvers somebody is who has these names; None when they are none of them."""
    own = {name.strip().lower() for name in names} - {""}
    return next((one for one in approvers if one.strip().lower() in own), None)
