"""Reads the spellings of a moment that people and systems write; beside the field types.

ISO 8601 first (reduced, week and ordinal dates too), then HTTP, e-mail and SQL dates, then the
free forms that JavaScript's `Date` takes, provided they name a day of a year. What bears no
offset is in the zone that the caller names.
"""

import re
from datetime import date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from dateutil.parser import ParserError
from dateutil.parser import parse as parse_freely

_REDUCED = re.compile(r"(?P<year>[+-]\d{6}|\d{4})(?:-(?P<month>\d\d))?", re.ASCII)
_ORDINAL = re.compile(r"(?P<year>\d{4})-?(?P<day>\d{3})(?P<rest>T.*)?", re.ASCII)
_ZONE_NAME = re.compile(r"(?P<moment>.+?) (?P<zone>[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)", re.ASCII)
_HAS_YEAR = re.compile(r"\b\d{4}\b", re.ASCII)
_MIDNIGHT_24 = re.compile(r"(?P<day>.+)T24(?::?00){0,2}(?:\.0+)?(?P<zone>Z|[+-][\d:]+)?", re.ASCII)
_FREE_DEFAULT = datetime(2001, 1, 1)  # noqa: DTZ001 - only fills gaps; the zone comes after


def parse_date(text: str, zone: tzinfo) -> datetime | None:
    """The moment that a text names, aware, or None when it names none (a time alone does not)."""
    text = text.strip()
    for read in (_read_iso, _read_mail, _read_zone_name, _read_free):
        moment = read(text)
        if moment is not None:
            return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return None


def _read_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        if match := _MIDNIGHT_24.fullmatch(text):
            start = datetime.fromisoformat(f"{match['day']}T00:00{match['zone'] or ''}")
            return start + timedelta(days=1)
        if match := _REDUCED.fullmatch(text):
            return datetime(int(match["year"]), int(match["month"] or 1), 1)  # noqa: DTZ001
        if match := _ORDINAL.fullmatch(text):
            day = date(int(match["year"]), 1, 1) + timedelta(days=int(match["day"]) - 1)
            if day.year == int(match["year"]):
                return datetime.fromisoformat(f"{day.isoformat()}{match['rest'] or ''}")
    except ValueError:
        pass
    return None


def _read_mail(text: str) -> datetime | None:
    if not text[:1].isalpha() and " " not in text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if _HAS_YEAR.search(text) or "GMT" in text else None


def _read_zone_name(text: str) -> datetime | None:
    match = _ZONE_NAME.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match["moment"])
        return moment.replace(tzinfo=ZoneInfo(match["zone"]))
    except (ValueError, KeyError):
        return None


def _read_free(text: str) -> datetime | None:
    if not _HAS_YEAR.search(text) or len(text) > 64:
        return None
    try:
        return parse_freely(text, default=_FREE_DEFAULT)
    except (ParserError, OverflowError):
        return None
