"""The names of days and months, in English and Chinese."""

import re

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WORKING_DAYS, WEEKEND = DAYS[:5], DAYS[5:]
DAY_NAMES = {day[:3]: day for day in DAYS}
HAN_DAYS = "一二三四五六日天"
MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}

_ENGLISH = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*\b", re.IGNORECASE)
_HAN = re.compile(
    r"(?:周|星期|礼拜)([一二三四五六日天](?:[、,，和及]?(?:周|星期)?[一二三四五六日天])*)"
)


def days_in(words: str) -> list[str]:
    """The weekdays that are named, in the order of the week."""
    named = {DAY_NAMES[found.lower()] for found in _ENGLISH.findall(words)}
    for run in _HAN.findall(words):
        named |= {DAYS[min(HAN_DAYS.index(sign), 6)] for sign in run if sign in HAN_DAYS}
    return [day for day in DAYS if day in named]
