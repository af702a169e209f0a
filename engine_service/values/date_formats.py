"""Moments as texts and back, by formats of Luxon's tokens, which expressions have too.

`yyyy-MM-dd HH:mm` and the like; names of months and days are English. A text between single
quotes stands for itself.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TOKEN = re.compile(r"'(?P<quoted>[^']*)'|(?P<token>([a-zA-Z])\3*)|(?P<sign>.)", re.DOTALL)


class BadFormat(ValueError):
    """A text does not have its format."""


def format_moment(moment: datetime, pattern: str) -> str:
    """A moment as text."""
    parts: list[str] = []
    for found in _TOKEN.finditer(pattern):
        token = found["token"]
        if token is None:
            parts.append(found["quoted"] if found["quoted"] is not None else found["sign"])
        elif token in _MACROS:
            parts.append(format_moment(moment, _MACROS[token]))
        else:
            write = _WRITTEN.get(token)
            parts.append(token if write is None else write(moment))
    return "".join(parts)


def to_iso(moment: datetime) -> str:
    """A moment in ISO 8601, to the millisecond; UTC as `Z`."""
    text = moment.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if moment.tzinfo in (UTC, ZoneInfo("UTC")) else text


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def _offset_text(moment: datetime, style: str) -> str:
    minutes = round(_offset(moment).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    if style == "narrow":
        return f"{sign}{hours}{f':{rest}' if rest else ''}"
    return f"{sign}{hours:02}{':' if style == 'short' else ''}{rest:02}"


def _zone_name(moment: datetime) -> str:
    return getattr(moment.tzinfo, "key", None) or moment.tzname() or "UTC"


def _hour12(moment: datetime) -> int:
    return moment.hour % 12 or 12


def _quarter(moment: datetime) -> int:
    return (moment.month + 2) // 3


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


_WRITTEN: Mapping[str, Callable[[datetime], str]] = {
    "S": lambda m: str(m.microsecond // 1000),
    "SSS": lambda m: f"{m.microsecond // 1000:03}",
    "u": lambda m: f"{m.microsecond // 1000:03}",
    "uu": lambda m: f"{m.microsecond // 10000:02}",
    "uuu": lambda m: str(m.microsecond // 100_000),
    "s": lambda m: str(m.second),
    "ss": lambda m: f"{m.second:02}",
    "m": lambda m: str(m.minute),
    "mm": lambda m: f"{m.minute:02}",
    "h": lambda m: str(_hour12(m)),
    "hh": lambda m: f"{_hour12(m):02}",
    "H": lambda m: str(m.hour),
    "HH": lambda m: f"{m.hour:02}",
    "Z": lambda m: _offset_text(m, "narrow"),
    "ZZ": lambda m: _offset_text(m, "short"),
    "ZZZ": lambda m: _offset_text(m, "techie"),
    "ZZZZ": lambda m: m.tzname() or "UTC",
    "ZZZZZ": _zone_name,
    "z": _zone_name,
    "a": lambda m: "AM" if m.hour < 12 else "PM",
    "d": lambda m: str(m.day),
    "dd": lambda m: f"{m.day:02}",
    **{letter: lambda m: str(m.isoweekday()) for letter in "cE"},
    **{letter * 3: lambda m: DAYS[m.weekday()][:3] for letter in "cE"},
    **{letter * 4: lambda m: DAYS[m.weekday()] for letter in "cE"},
    **{letter * 5: lambda m: DAYS[m.weekday()][0] for letter in "cE"},
    **{letter: lambda m: str(m.month) for letter in "LM"},
    **{letter * 2: lambda m: f"{m.month:02}" for letter in "LM"},
    **{letter * 3: lambda m: MONTHS[m.month - 1][:3] for letter in "LM"},
    **{letter * 4: lambda m: MONTHS[m.month - 1] for letter in "LM"},
    **{letter * 5: lambda m: MONTHS[m.month - 1][0] for letter in "LM"},
    "y": lambda m: str(m.year),
    "yy": lambda m: f"{m.year % 100:02}",
    "yyyy": lambda m: f"{m.year:04}",
    "yyyyyy": lambda m: f"{m.year:06}",
    "G": lambda _: "AD",
    "GG": lambda _: "Anno Domini",
    "GGGGG": lambda _: "A",
    "kk": lambda m: f"{m.isocalendar().year % 100:02}",
    "kkkk": lambda m: f"{m.isocalendar().year:04}",
    "W": lambda m: str(m.isocalendar().week),
    "WW": lambda m: f"{m.isocalendar().week:02}",
    "o": lambda m: str(_day_of_year(m)),
    "ooo": lambda m: f"{_day_of_year(m):03}",
    "q": lambda m: str(_quarter(m)),
    "qq": lambda m: f"{_quarter(m):02}",
    "X": lambda m: str(int(m.timestamp() // 1)),
    "x": lambda m: str(round(m.timestamp() * 1000)),
}
# Whole formats by one token, as they are usual in the United States.
_MACROS = {
    "D": "M/d/yyyy",
    "DD": "MMM d, yyyy",
    "DDD": "MMMM d, yyyy",
    "DDDD": "EEEE, MMMM d, yyyy",
    "t": "h:mm a",
    "tt": "h:mm:ss a",
    "ttt": "h:mm:ss a ZZZZ",
    "tttt": "h:mm:ss a ZZZZZ",
    "T": "HH:mm",
    "TT": "HH:mm:ss",
    "TTT": "HH:mm:ss ZZZZ",
    "TTTT": "HH:mm:ss ZZZZZ",
    "f": "M/d/yyyy, h:mm a",
    "ff": "MMM d, yyyy, h:mm a",
    "fff": "MMMM d, yyyy 'at' h:mm a ZZZZ",
    "ffff": "EEEE, MMMM d, yyyy 'at' h:mm a ZZZZZ",
    "F": "M/d/yyyy, h:mm:ss a",
    "FF": "MMM d, yyyy, h:mm:ss a",
    "FFF": "MMMM d, yyyy 'at' h:mm:ss a ZZZZ",
    "FFFF": "EEEE, MMMM d, yyyy 'at' h:mm:ss a ZZZZZ",
}

# --- reading


_ONE_OR_TWO, _TWO = r"\d{1,2}", r"\d{2}"
_READ: Mapping[str, tuple[str, str]] = {
    "y": ("year", r"\d{1,6}"), "yy": ("short_year", _TWO), "yyyy": ("year", r"\d{4}"),
    **dict.fromkeys("LM", ("month", _ONE_OR_TWO)),
    **{letter * 2: ("month", _TWO) for letter in "LM"},
    **{letter * 3: ("month_name", "|".join(name[:3] for name in MONTHS)) for letter in "LM"},
    **{letter * 4: ("month_name", "|".join(MONTHS)) for letter in "LM"},
    "d": ("day", _ONE_OR_TWO), "dd": ("day", _TWO),
    "o": ("ordinal", r"\d{1,3}"), "ooo": ("ordinal", r"\d{3}"),
    "H": ("hour", _ONE_OR_TWO), "HH": ("hour", _TWO),
    "h": ("hour12", _ONE_OR_TWO), "hh": ("hour12", _TWO),
    "m": ("minute", _ONE_OR_TWO), "mm": ("minute", _TWO),
    "s": ("second", _ONE_OR_TWO), "ss": ("second", _TWO),
    "S": ("milli", r"\d{1,3}"), "SSS": ("milli", r"\d{3}"), "u": ("fraction", r"\d{1,9}"),
    "a": ("half", r"[AaPp]\.?[Mm]\.?"),
    **{letter * 3: ("", "|".join(name[:3] for name in DAYS)) for letter in "cE"},
    **{letter * 4: ("", "|".join(DAYS)) for letter in "cE"},
    "Z": ("offset", r"[+-]\d{1,2}(?::?\d{2})?|Z"), "ZZ": ("offset", r"[+-]\d{2}:\d{2}|Z"),
    "ZZZ": ("offset", r"[+-]\d{4}|Z"), "z": ("zone", r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*"),
    "X": ("seconds", r"[+-]?\d+(?:\.\d{1,3})?"), "x": ("millis", r"[+-]?\d+"),
}  # fmt: skip


def read_moment(text: str, pattern: str, zone: tzinfo) -> datetime:
    """The moment that a text of a format names, in `zone` unless it names another.

    Raises:
        BadFormat: The text does not have the format, or names no moment.
    """
    match = re.fullmatch("".join(_expected(pattern)), text.strip(), re.ASCII | re.IGNORECASE)
    if match is None:
        raise BadFormat(f"{text[:80]!r} does not have the format {pattern!r}")
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    try:
        return _moment(found, zone)
    except (ValueError, OverflowError, ZoneInfoNotFoundError) as error:
        raise BadFormat(f"{text[:80]!r} names no moment: {error}") from error


def _expected(pattern: str) -> list[str]:
    """A regular expression's parts for a format; each kind of part has its first place only."""
    parts: list[str] = []
    seen: set[str] = set()
    for found in _TOKEN.finditer(pattern):
        token = found["token"]
        if token is None:
            parts.append(re.escape(found["quoted"] or found["sign"] or ""))
        elif token in _MACROS:
            parts.extend(_expected(_MACROS[token]))
        elif token not in _READ:
            raise BadFormat(f"{token!r} cannot be read, only written")
        else:
            name, expected = _READ[token]
            named = bool(name) and name not in seen
            parts.append(f"(?P<{name}>{expected})" if named else f"(?:{expected})")
            seen.add(name)
    return parts


def _moment(found: Mapping[str, str], zone: tzinfo) -> datetime:
    if "seconds" in found or "millis" in found:
        seconds = float(found.get("seconds") or int(found.get("millis", "0")) / 1000)
        return datetime.fromtimestamp(seconds, zone)
    day = datetime(_year(found), _month(found), int(found.get("day", 1)), tzinfo=zone)
    if "ordinal" in found:
        day = day.replace(month=1, day=1) + timedelta(days=int(found["ordinal"]) - 1)
    micro = int(found.get("fraction", "0").ljust(6, "0")[:6])
    moment = day.replace(
        hour=_hour(found),
        minute=int(found.get("minute", 0)),
        second=int(found.get("second", 0)),
        microsecond=micro or int(found.get("milli", 0)) * 1000,
    )
    if "zone" in found:
        return moment.replace(tzinfo=ZoneInfo(found["zone"])).astimezone(zone)
    if "offset" in found:
        return (moment.replace(tzinfo=UTC) - _read_offset(found["offset"])).astimezone(zone)
    return moment


def _year(found: Mapping[str, str]) -> int:
    if "short_year" in found:
        short = int(found["short_year"])
        return short + (1900 if short > 60 else 2000)
    return int(found.get("year", 1970))


def _month(found: Mapping[str, str]) -> int:
    if "month_name" in found:
        return [name[:3].lower() for name in MONTHS].index(found["month_name"][:3].lower()) + 1
    return int(found.get("month", 1))


def _hour(found: Mapping[str, str]) -> int:
    if "hour12" not in found:
        return int(found.get("hour", 0))
    hour = int(found["hour12"]) % 12
    return hour + 12 if found.get("half", "a").lower().startswith("p") else hour


def _read_offset(text: str) -> timedelta:
    if text in ("Z", "z"):
        return timedelta()
    digits = text[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    size = timedelta(hours=int(hours), minutes=int(minutes))
    return -size if text[0] == "-" else size
