"""What models cost, as data: US dollars per million tokens, by the model's name at its vendor.

Vendors' list prices as of August 2026. A model that is not here has no known price: its tokens are
counted and its cost is None. `MODEL_PRICES` adds to the table and overrides it.
"""

import re
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from shared.llm import Usage

_MILLION = 1_000_000


class Price(BaseModel):
    """US dollars per million tokens.

    Attributes:
        cached: Of input read from the vendor's cache; None means that of other input.
        cache_write: Of input written to it; likewise.
        long_from: Above this many input tokens the whole call is charged as `long`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal
    output: Decimal = Decimal(0)
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    long_from: int | None = None
    long: "Price | None" = None

    def cost(self, usage: Usage) -> Decimal:
        """What a call with this usage costs."""
        price = self._for_input(usage.input_tokens)
        cached = price.input if price.cached is None else price.cached
        cache_write = price.input if price.cache_write is None else price.cache_write
        plain_tokens = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        total = (
            plain_tokens * price.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * cache_write
            + usage.output_tokens * price.output
        )
        return total / _MILLION

    def highest_cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most that such a call can cost, however the vendor's cache behaves."""
        price = self._for_input(input_tokens)
        dearest = max(price.input, price.cached or Decimal(0), price.cache_write or Decimal(0))
        return (input_tokens * dearest + output_tokens * price.output) / _MILLION

    def _for_input(self, input_tokens: int) -> "Price":
        if self.long is None or self.long_from is None or input_tokens <= self.long_from:
            return self
        return self.long


def _price(prices: str, long_from: int | None = None, long: str | None = None) -> Price:
    """A price from one line: input, cached input, output and, where it differs, cache writes."""
    read, cached, output, *rest = (Decimal(word) for word in prices.split())
    return Price(
        input=read,
        cached=cached,
        output=output,
        cache_write=rest[0] if rest else None,
        long_from=long_from,
        long=_price(long) if long else None,
    )


PRICES: dict[str, Price] = {
    # OpenAI:                    input  cached  output  cache write
    "gpt-4o": _price("            2.50   1.25    10"),
    "gpt-4o-mini": _price("       0.15   0.075   0.60"),
    "gpt-4.1": _price("           2      0.50    8"),
    "gpt-4.1-mini": _price("      0.40   0.10    1.60"),
    "gpt-4.1-nano": _price("      0.10   0.025   0.40"),
    "o3": _price("                2      0.50    8"),
    "o3-mini": _price("           1.10   0.55    4.40"),
    "o4-mini": _price("           1.10   0.275   4.40"),
    "gpt-5": _price("             1.25   0.125   10"),
    "gpt-5-mini": _price("        0.25   0.025   2"),
    "gpt-5-nano": _price("        0.05   0.005   0.40"),
    "gpt-5.1": _price("           1.25   0.125   10"),
    "gpt-5.2": _price("           1.75   0.175   14"),
    "gpt-5.3": _price("           1.75   0.175   14"),
    "gpt-5.3-codex": _price("     1.75   0.175   14"),
    "gpt-5.4": _price("           2.50   0.25    15", 272_000, "5 0.50 22.50"),
    "gpt-5.4-mini": _price("      0.75   0.075   4.50"),
    "gpt-5.4-nano": _price("      0.20   0.02    1.25"),
    "gpt-5.5": _price("           5      0.50    30"),
    # Anthropic:
    "claude-3-haiku": _price("    0.25   0.03    1.25    0.30"),
    "claude-3-5-haiku": _price("  0.80   0.08    4       1"),
    "claude-3-7-sonnet": _price(" 3      0.30    15      3.75"),
    "claude-haiku-4-5": _price("  1      0.10    5       1.25"),
    "claude-sonnet-4": _price("   3      0.30    15      3.75"),
    "claude-sonnet-4-5": _price(" 3      0.30    15      3.75", 200_000, "6 0.60 22.50 7.50"),
    "claude-opus-4": _price("     15     1.50    75      18.75"),
    "claude-opus-4-1": _price("   15     1.50    75      18.75"),
    "claude-opus-4-5": _price("   5      0.50    25      6.25"),
    "claude-opus-4-7": _price("   5      0.50    25      6.25"),
    "claude-opus-4-8": _price("   5      0.50    25      6.25"),
    "claude-opus-5": _price("     5      0.50    25      6.25"),
    "claude-fable-5": _price("    10     1       50      12.50"),
    # Embeddings:
    "text-embedding-ada-002": _price("0.10 0.10 0"),
    "text-embedding-3-small": _price("0.02 0.02 0"),
    "text-embedding-3-large": _price("0.13 0.13 0"),
}

# gpt-4o-2024-08-06, claude-sonnet-4-5-20250929, claude-3-5-haiku-latest
_EDITION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest|0)$")


def price_of(model: str) -> Price | None:
    """The price of a model or of a dated edition of it; None when it is unknown."""
    return PRICES.get(model) or PRICES.get(_EDITION.sub("", model))
