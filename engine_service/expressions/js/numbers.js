// The helper methods of numbers and booleans.

const EXCEL_EPOCH = Date.UTC(1899, 11, 30);
const MILLISECONDS_A_DAY = 86_400_000;

function whole(number, method) {
  return Number.isInteger(number) ? number : kit.fail(`${method}() needs a whole number`);
}

/** Rounds as `toFixed` does: by the number's exact value, so 1.005 to two places is 1. */
const round = (number, places = 0) => Number(number.toFixed(places));

/** Milliseconds since 1970 of a number counted in the given unit. */
kit.timestamp = (number, unit = "ms") => {
  switch (unit) {
    case "ms": return number;
    case "s": return number * 1000;
    case "us": return number / 1000;
    case "excel": return EXCEL_EPOCH + number * MILLISECONDS_A_DAY;
    default: return kit.fail(`Unsupported timestamp format '${unit}'. Supported: 'ms', 's', 'us', 'excel'.`);
  }
};

kit.methods.number = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  format: (number, locale = "en-US", options = undefined) =>
    new Intl.NumberFormat(locale, options).format(number),
  isEmpty: (number) => !number,
  isEven: (number) => whole(number, "isEven") % 2 === 0,
  isInteger: (number) => Number.isInteger(number),
  isNotEmpty: Boolean,
  isOdd: (number) => Math.abs(whole(number, "isOdd") % 2) === 1,
  round,
  toBoolean: (number) => number !== 0,
  toDateTime: (number, unit) => kit.dateTimeFromMillis(kit.timestamp(number, unit)),
  toFloat: (number) => number,
  toInt: (number) => round(number),
  toJsonString: (number) => JSON.stringify(number),
  toNumber: (number) => number,
};

kit.methods.boolean = {
  isEmpty: (flag) => !flag,
  isNotEmpty: (flag) => flag,
  toBoolean: (flag) => flag,
  toDateTime: () => undefined,
  toFloat: Number,
  toInt: Number,
  toJsonString: (flag) => JSON.stringify(flag),
  toNumber: Number,
};
