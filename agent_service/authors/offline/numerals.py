"""Numbers as people write them: digits, English words, Chinese numerals."""

import re

_WORDS = {
    "zero": 0, "a": 1, "an": 1, "one": 1, "two": 2, "couple of": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "forty-five": 45, "fifty": 50,
    "sixty": 60, "ninety": 90, "hundred": 100, "one hundred": 100, "thousand": 1000,
    "one thousand": 1000,
}  # fmt: skip
_HAN_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {
    "两": 2,
    "〇": 0,
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_SUFFIXES = {"k": 1_000, "m": 1_000_000, "万": 10_000, "千": 1_000, "亿": 100_000_000}

HAN_NUMBER = r"[零〇一二两三四五六七八九十百千万]+"
NUMBER = (
    r"(?:\d+(?:[.,]\d+)*|"
    + "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True))
    + rf"|{HAN_NUMBER})"
)
"""A regular expression for a number without sign or unit."""

_AMOUNT = re.compile(r"[$€£¥￥]?\s*(-?\d[\d,]*(?:\.\d+)?)\s*(k|m|万|千|亿)?\b", re.IGNORECASE)


def to_int(text: str) -> int | None:
    """A whole number in digits, English words or Chinese numerals."""
    text = text.strip().lower()
    if re.fullmatch(r"\d+", text):
        return int(text)
    if text in _WORDS:
        return _WORDS[text]
    return _han_to_int(text)


def _han_to_int(text: str) -> int | None:
    if not re.fullmatch(HAN_NUMBER, text):
        return None
    total, section, digit = 0, 0, 0
    for sign in text:
        if sign in _HAN_DIGITS:
            digit = _HAN_DIGITS[sign]
        elif sign == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        else:
            section += (digit or 1) * _HAN_UNITS[sign]
            digit = 0
    return total + section + digit


def to_amount(text: str) -> int | float | None:
    """An amount such as `$1,200.50`, `10k` or `三百`; None when the text is no number."""
    text = text.strip()
    if found := _AMOUNT.fullmatch(text):
        number = float(found.group(1).replace(",", ""))
        number *= _SUFFIXES.get((found.group(2) or "").lower(), 1)
        return int(number) if number.is_integer() else number
    return to_int(text)
