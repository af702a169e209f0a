// The functions that are simply there: $if, $ifEmpty, $min, $jmespath and their like.

function isEmptyValue(value) {
  if (value === null || value === undefined || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return kit.isPlainObject(value) && Object.keys(value).length === 0;
}

function jmespath(data, query) {
  if (typeof query !== "string") kit.fail("$jmespath() needs the data and a query text");
  for (const name of query.match(/[A-Za-z_]\w*/g) ?? []) {
    if (kit.forbiddenKeys.has(name)) {
      kit.fail(`"${name}" cannot be accessed in an expression`, "EXPRESSION_FORBIDDEN");
    }
  }
  return kit.jmespath.search(data, query);
}

const numbersOf = (values) => values.flat(Infinity).map(Number);
const max = (...values) => Math.max(...numbersOf(values));
const min = (...values) => Math.min(...numbersOf(values));
const not = (value) => !value;

const average = (...values) => kit.average(values.flat(Infinity));

function ifEmpty(...values) {
  if (values.length !== 2) kit.fail("$ifEmpty() needs a value and what to take when it is empty");
  return isEmptyValue(values[0]) ? values[1] : values[0];
}

kit.functions = {
  $average: average,
  $if: (condition, whenTrue, whenFalse = false) => condition ? whenTrue : whenFalse,
  $ifEmpty: ifEmpty,
  $jmesPath: jmespath,
  $jmespath: jmespath,
  $max: max,
  $min: min,
  $not: not,
  average,
  max,
  min,
  not,
  numberList: (from, to) =>
    Array.from({ length: Math.abs(to - from) + 1 }, (_, at) => from < to ? from + at : from - at),
  zip: (keys, values) =>
    Array.isArray(keys) && Array.isArray(values) && keys.length === values.length
      ? Object.fromEntries(keys.map((key, at) => [key, values[at]]))
      : kit.fail("zip() needs two arrays, with as many keys as values"),
};
