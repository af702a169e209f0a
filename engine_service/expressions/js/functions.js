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

function average(...values) {
  const numbers = numbersOf(values);
  return numbers.reduce((total, number) => total + number, 0) / numbers.length;
}

kit.functions = {
  $average: average,
  $if: (condition, whenTrue, whenFalse) => condition ? whenTrue : whenFalse,
  $ifEmpty: (value, whenEmpty) => isEmptyValue(value) ? whenEmpty : value,
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
    keys.length === values.length
      ? Object.fromEntries(keys.map((key, at) => [key, values[at]]))
      : kit.fail("zip() needs as many keys as values"),
};
