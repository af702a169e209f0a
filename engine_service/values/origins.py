"""Where an item came from that was made of many: which input items `paired_item` names."""

from collections.abc import Iterable
from itertools import islice

MOST_NAMED = 100


def pairs_of(indexes: Iterable[int]) -> list[int]:
    """The input items that one item was made of; of many only the first ones are named."""
    return list(islice(indexes, MOST_NAMED))
