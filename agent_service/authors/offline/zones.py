"""Time zones as people name them: IANA names, cities, abbreviations, `Berlin time`, 北京时间."""

import re
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from agent_service.authors.offline.text import is_han

_NAMED = {
    "utc": "UTC", "gmt": "Etc/GMT", "zulu": "UTC",
    "cet": "Europe/Berlin", "cest": "Europe/Berlin", "central european": "Europe/Berlin",
    "eet": "Europe/Athens", "bst": "Europe/London", "uk": "Europe/London",
    "british": "Europe/London",
    "german": "Europe/Berlin", "french": "Europe/Paris", "italian": "Europe/Rome",
    "est": "America/New_York", "edt": "America/New_York", "et": "America/New_York",
    "eastern": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago",
    "central": "America/Chicago", "mst": "America/Denver", "mountain": "America/Denver",
    "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "pt": "America/Los_Angeles",
    "pacific": "America/Los_Angeles", "ist": "Asia/Kolkata", "indian": "Asia/Kolkata",
    "jst": "Asia/Tokyo", "japan": "Asia/Tokyo", "japanese": "Asia/Tokyo", "sgt": "Asia/Singapore",
    "beijing": "Asia/Shanghai", "china": "Asia/Shanghai", "chinese": "Asia/Shanghai",
    "aest": "Australia/Sydney", "san francisco": "America/Los_Angeles", "sf": "America/Los_Angeles",
    "munich": "Europe/Berlin", "hamburg": "Europe/Berlin", "frankfurt": "Europe/Berlin",
    "shenzhen": "Asia/Shanghai", "mumbai": "Asia/Kolkata", "delhi": "Asia/Kolkata",
    "boston": "America/New_York", "seattle": "America/Los_Angeles",
    "washington": "America/New_York",
    "北京": "Asia/Shanghai", "上海": "Asia/Shanghai", "中国": "Asia/Shanghai",
    "香港": "Asia/Hong_Kong",
    "台北": "Asia/Taipei", "东京": "Asia/Tokyo", "日本": "Asia/Tokyo", "首尔": "Asia/Seoul",
    "新加坡": "Asia/Singapore", "伦敦": "Europe/London", "柏林": "Europe/Berlin",
    "巴黎": "Europe/Paris", "纽约": "America/New_York", "洛杉矶": "America/Los_Angeles",
    "悉尼": "Australia/Sydney",
}  # fmt: skip
_ABBREVIATION = re.compile(
    r"(?<![\w/])(UTC|GMT|CES?T|EET|BST|E[SD]?T|C[SD]T|MST|P[SD]?T|IST|JST|SGT|AEST)(?![\w/])"
)
_IANA = re.compile(r"\b([A-Z][A-Za-z_]+/[A-Z][A-Za-z_+-]+(?:/[A-Z][A-Za-z_]+)?)\b")
_SPOKEN = re.compile(
    r"\b(?:in |on |use |using )?(?:the )?([a-z]+(?: [a-z]+){0,2}?)(?:'s)? (?:local )?time"
    r"(?: ?zone)?\b",
    re.IGNORECASE,
)
_ZONE_OF = re.compile(
    r"\btime ?zone (?:of |to |is |in |= ?|: ?)?([a-z]+(?: [a-z]+)?)", re.IGNORECASE
)
_HAN = re.compile(r"(?:按|用|以)?([\u4e00-\u9fff]{2,3})(?:当地)?(?:时间|时区)")
_AFTER_TIME = re.compile(r"\bin ([A-Z][a-z]+(?: [A-Z][a-z]+)?)\b")


@dataclass(frozen=True, slots=True)
class ZoneFound:
    """A time zone, and where in the text it was named."""

    zone: str
    start: int
    end: int


@cache
def _cities() -> dict[str, str]:
    """City to zone, from the names of the zones themselves."""
    return {
        zone.rpartition("/")[2].replace("_", " ").lower(): zone
        for zone in sorted(available_timezones())
        if "/" in zone and not zone.startswith(("Etc/", "SystemV/", "US/"))
    }


def zone_named(name: str) -> str | None:
    """The zone that a name means: a city, an abbreviation, an IANA name."""
    if name in available_timezones():
        return name
    lowered = name.strip().lower()
    return _NAMED.get(lowered) or _cities().get(lowered)


def find_zone(plain: str) -> ZoneFound | None:
    """The time zone a text names, if it does; a city counts only where a zone can be meant."""
    if (found := _IANA.search(plain)) and found.group(1) in available_timezones():
        return ZoneFound(found.group(1), *found.span())
    for pattern in (_SPOKEN, _ZONE_OF, _HAN):
        for found in pattern.finditer(plain):
            if zone := _ending_of(found.group(1)):
                return ZoneFound(zone, *found.span())
    if (found := _ABBREVIATION.search(plain)) and (zone := zone_named(found.group(1))):
        return ZoneFound(zone, *found.span())
    return None


def find_city_after_time(plain: str, at: int) -> ZoneFound | None:
    """A city right behind a time of day, as in `at 9 in Tokyo`."""
    found = _AFTER_TIME.match(plain, at)
    zone = zone_named(found.group(1)) if found else None
    return ZoneFound(zone, *found.span()) if found and zone else None


def _ending_of(words: str) -> str | None:
    """The zone that the last words name: `at nine New York` means New York."""
    parts = list(words) if is_han(words) else words.split()
    joint = "" if is_han(words) else " "
    for count in range(len(parts), 0, -1):
        if zone := zone_named(joint.join(parts[-count:])):
            return zone
    return None
