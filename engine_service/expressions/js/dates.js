// The helper methods of dates, and everything that makes one. Luxon is made when first asked for.

const UNITS = ["milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years"];
const SHORT_UNITS = { ms: "milliseconds", sec: "seconds", min: "minutes", hr: "hours" };
const EXACT_MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

let luxon;
let zone = "UTC";
let clock = Date.now;

/** Starts afresh for other data: a new copy of Luxon, so that nothing one tenant did to it remains. */
kit.setTime = (zoneName, now) => {
  luxon = undefined;
  zone = zoneName;
  clock = now;
};

kit.now = () => clock();

kit.luxon = () => {
  if (luxon === undefined) {
    luxon = kit.loadLuxon();
    luxon.Settings.defaultZone = zone;
    luxon.Settings.defaultLocale = "en-US";
    luxon.Settings.now = clock;
  }
  return luxon;
};

kit.dateTimeFromMillis = (milliseconds) => kit.luxon().DateTime.fromMillis(milliseconds);

/** True for the one spelling of a moment that JSON makes of a Date. */
kit.isMomentText = (text) => EXACT_MOMENT.test(text) && !Number.isNaN(Date.parse(text));

kit.parseDate = (text) => {
  const date = new Date(text);
  return Number.isNaN(date.valueOf()) ? kit.fail(`"${text}" cannot be converted to a date`) : date;
};

kit.parseDateTime = (text, format) => {
  const { DateTime } = kit.luxon();
  const trimmed = text.trim();
  if (["ms", "s", "us", "excel"].includes(format)) {
    return kit.dateTimeFromMillis(kit.timestamp(Number(trimmed), format));
  }
  if (format) return DateTime.fromFormat(trimmed, format);
  const readers = [
    () => DateTime.fromISO(trimmed, { setZone: true }),
    () => DateTime.fromHTTP(trimmed, { setZone: true }),
    () => DateTime.fromRFC2822(trimmed, { setZone: true }),
    () => DateTime.fromSQL(trimmed, { setZone: true }),
    () => DateTime.fromMillis(/^-?\d+$/.test(trimmed) ? Number(trimmed) : Date.parse(trimmed) || NaN),
  ];
  for (const read of readers) {
    const found = attempt(read);
    if (found?.isValid) return found;
  }
  return kit.fail(`"${text}" cannot be converted to a date`);
};

function attempt(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The moment as a DateTime, or undefined when it is none. */
function toLuxon(value) {
  if (value instanceof Date) return kit.luxon().DateTime.fromJSDate(value);
  if (kit.isMoment(value)) return value;
  return typeof value === "string" ? kit.parseDateTime(value) : undefined;
}

/** Gives a Date back to who came with a Date. */
const likeInput = (input, dateTime) => input instanceof Date ? dateTime.toJSDate() : dateTime;

function needMoment(value, method) {
  return toLuxon(value) ?? kit.fail(`${method}() needs a date as its argument`);
}

function plural(unit) {
  const name = String(unit);
  const found = SHORT_UNITS[name] ?? SHORT_UNITS[name.replace(/s$/, "")] ?? (name.endsWith("s") ? name : `${name}s`);
  return UNITS.includes(found)
    ? found
    : kit.fail(`Unsupported unit '${name}'. Supported: ${UNITS.map((known) => `'${known}'`).join(", ")}.`);
}

function diffTo(moment, other, unit = "days") {
  const named = [unit].flat().map(plural);
  const units = named.length === 0 ? ["days"] : named;
  const difference = toLuxon(moment).diff(needMoment(other, "diffTo"), units);
  return units.length > 1 ? difference.toObject() : difference.as(units[0]);
}

function shift(moment, direction, amount, unit = "milliseconds") {
  const period = typeof amount === "number" ? { [plural(unit)]: amount } : amount;
  if (typeof period !== "object" || period === null) {
    kit.fail(`${direction}() needs a number and a unit, or an object of units`);
  }
  return likeInput(moment, toLuxon(moment)[direction](period));
}

const PARTS = { week: "weekNumber", weekDay: "weekday", weekDayNumber: "weekday", yearDayNumber: "ordinal" };

function extract(moment, part = "week") {
  const value = toLuxon(moment).get(PARTS[part] ?? (UNITS.includes(part) ? part.slice(0, -1) : part));
  return typeof value === "number" ? value : NaN;
}

function isBetween(moment, ...bounds) {
  if (bounds.length !== 2) kit.fail("isBetween() needs two dates");
  const [first, last] = bounds.map((bound) => attempt(() => toLuxon(bound)));
  if (first === undefined || last === undefined) return undefined;
  const [start, end] = first < last ? [first, last] : [last, first];
  return toLuxon(moment) > start && toLuxon(moment) < end;
}

function isInLast(moment, amount = 0, unit = "minutes") {
  const now = kit.dateTimeFromMillis(clock());
  const at = toLuxon(moment);
  return at >= now.minus({ [plural(unit)]: amount }) && at <= now;
}

const toMillis = (moment) => moment.valueOf();

kit.methods.date = {
  beginningOf: (moment, unit = "week") => likeInput(moment, toLuxon(moment).startOf(plural(unit).slice(0, -1))),
  diffTo,
  diffToNow: (moment, unit) => diffTo(moment, kit.dateTimeFromMillis(clock()), unit),
  endOfMonth: (moment) => likeInput(moment, toLuxon(moment).endOf("month")),
  extract,
  format: (moment, format, options = {}) => toLuxon(moment).toFormat(format ?? "yyyy-MM-dd", { ...options }),
  inBetween: isBetween,
  isBetween,
  isDst: (moment) => toLuxon(moment).isInDST,
  isEmpty: () => false,
  isInLast,
  isNotEmpty: () => true,
  isWeekend: (moment) => toLuxon(moment).weekday > 5,
  minus: (moment, amount, unit) => shift(moment, "minus", amount, unit),
  plus: (moment, amount, unit) => shift(moment, "plus", amount, unit),
  toBoolean: () => undefined,
  toDateTime: toLuxon,
  toFloat: toMillis,
  toInt: toMillis,
  toJsonString: (moment) => JSON.stringify(moment),
  toNumber: toMillis,
};
