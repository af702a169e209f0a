// The helper methods of arrays and objects.

const NO_VALUE = new Set([null, undefined, "", "nil"]);

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !kit.isMoment(value);

function numbers(list, method) {
  return list.every((element) => typeof element === "number")
    ? list
    : kit.fail(`${method}() needs an array of numbers only`);
}

function needArray(value, method) {
  return Array.isArray(value) ? value : kit.fail(`${method}() needs an array as its argument`);
}

function needText(value, method) {
  return typeof value === "string" && value !== "" ? value : kit.fail(`${method}() needs a text as its argument`);
}

const contains = (list, wanted) => list.some((element) => kit.sameContent(element, wanted));

/** The elements without those that equal an earlier one; objects by the given fields, if any. */
function distinct(list, ...fields) {
  const names = fields.flat().flatMap((name) => String(name).split(",")).map((name) => name.trim());
  const seen = new Set();
  const seenObjects = [];
  return list.filter((element) => {
    if (typeof element !== "object" || element === null) return !seen.has(element) && seen.add(element);
    const content = names.length > 0 ? names.map((name) => element[kit.safeKey(name)]) : element;
    return !contains(seenObjects, content) && seenObjects.push(content);
  });
}

/** Nothing, or a list or object that holds nothing. */
const isVoid = (value) =>
  NO_VALUE.has(value) || (typeof value === "object" && !kit.isMoment(value) && Object.keys(value).length === 0);

const compactObject = (object) =>
  Object.fromEntries(
    Object.entries(object)
      .filter(([, value]) => !isVoid(value))
      .map(([key, value]) => [key, kit.isPlainObject(value) ? compactObject(value) : value]));

const compact = (list) =>
  list.filter((element) => !isVoid(element))
    .map((element) => kit.isPlainObject(element) ? compactObject(element) : element);

function chunk(list, size) {
  if (!Number.isInteger(size) || size < 1) kit.fail("chunk() needs a whole number of at least 1");
  const chunks = [];
  for (let start = 0; start < list.length; start += size) chunks.push(list.slice(start, start + size));
  return chunks;
}

/** The values of the given fields: alone where an object has one of them, else as a list. */
function pluck(list, ...fields) {
  const keys = new Set(fields.flat().map((field) => kit.safeKey(field)));
  if (keys.size === 0) return list;
  return list.filter(isObject)
    .map((element) => Object.entries(element).filter(([key]) => keys.has(key)).map(([, value]) => value))
    .filter((values) => values.length > 0)
    .map((values) => values.length === 1 ? values[0] : values);
}

function renameKeys(list, ...names) {
  if (names.length === 0 || names.length % 2 !== 0) {
    kit.fail("renameKeys() needs pairs of names: from1, to1, from2, to2, …");
  }
  const pairs = chunk(names, 2);
  return list.map((element) => {
    if (!isObject(element)) return element;
    const fields = new Map(Object.entries(element));
    for (const [from, to] of pairs) {
      if (!fields.has(from)) continue;
      const value = fields.get(from);
      fields.delete(from);
      fields.set(to, value);
    }
    return Object.fromEntries(fields);
  });
}

function mergeObjects(object, other) {
  if (!isObject(other)) kit.fail("merge() needs an object as its argument");
  return { ...other, ...object };
}

const mergeAll = (list) => list.filter(isObject).reduce((merged, element) => ({ ...element, ...merged }), {});

/** One object of two lists, element by element; what has no counterpart is left out. */
function mergeArrays(list, other) {
  if (other === undefined) return mergeAll(list);
  needArray(other, "merge");
  return list.reduce((merged, element, at) =>
    isObject(element) && isObject(other[at]) ? { ...merged, ...other[at], ...element } : merged, {});
}

/** One object of two lists, element by element, with everything that is in either. */
function mergeIntoObject(list, other) {
  needArray(other, "mergeIntoObject");
  return Array.from({ length: Math.max(list.length, other.length) }).reduce((merged, _, at) => {
    const [element, counterpart] = [list[at], other[at]].map((one) => isObject(one) ? one : {});
    return { ...merged, ...counterpart, ...element };
  }, {});
}

function smartJoin(list, keyField, valueField) {
  const [key, value] = [keyField, valueField].map((name) => kit.safeKey(needText(name, "smartJoin")));
  return Object.fromEntries(
    list.filter((element) => isObject(element) && Object.hasOwn(element, key) && Object.hasOwn(element, value))
      .map((element) => [element[key], element[value]]));
}

function sum(list, method = "sum") {
  return numbers(list, method).reduce((total, number) => total + number, 0);
}

const largest = (list) => numbers(list, "max").reduce((best, number) => Math.max(best, number), -Infinity);
const smallest = (list) => numbers(list, "min").reduce((best, number) => Math.min(best, number), Infinity);
const average = (list) => list.length === 0 ? 0 : sum(list, "average") / list.length;
kit.average = average;
const randomItem = (list) => list.length === 0 ? undefined : list[Math.floor(Math.random() * list.length)];

/** The fields whose text does (or does not) contain the given one. */
function selectFields(object, text, keeps) {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => (typeof value === "string" && value.includes(text)) === keeps));
}

const percent = (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
const formEncode = (value) =>
  encodeURIComponent(String(value)).replace(/[!'()~]/g, percent).replaceAll("%20", "+");

kit.methods.array = {
  append: (list, ...elements) => [...list, ...elements],
  average,
  chunk,
  compact,
  difference: (list, other) =>
    distinct(list.filter((element) => !contains(needArray(other, "difference"), element))),
  first: (list) => list[0],
  intersection: (list, other) =>
    distinct(list.filter((element) => contains(needArray(other, "intersection"), element))),
  isEmpty: (list) => list.length === 0,
  isNotEmpty: (list) => list.length > 0,
  last: (list) => list[list.length - 1],
  length: (list) => list.length,
  max: largest,
  merge: mergeArrays,
  mergeIntoObject,
  min: smallest,
  pluck,
  randomItem,
  removeDuplicates: distinct,
  renameKeys,
  smartJoin,
  sum: (list) => sum(list),
  toBoolean: () => undefined,
  toDateTime: () => undefined,
  toFloat: () => undefined,
  toInt: () => undefined,
  toJsonString: (list) => JSON.stringify(list),
  union: (list, other) => distinct([...list, ...needArray(other, "union")]),
  unique: distinct,
};

kit.methods.object = {
  compact: compactObject,
  hasField: (object, name) => Object.hasOwn(object, name),
  isEmpty: (object) => Object.keys(object).length === 0,
  isNotEmpty: (object) => Object.keys(object).length > 0,
  keepFieldsContaining: (object, text) => selectFields(object, needText(text, "keepFieldsContaining"), true),
  keys: (object) => Object.keys(object),
  merge: mergeObjects,
  removeField: (object, name) => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name)),
  removeFieldsContaining: (object, text) =>
    selectFields(object, needText(text, "removeFieldsContaining"), false),
  toBoolean: () => undefined,
  toDateTime: () => undefined,
  toFloat: () => undefined,
  toInt: () => undefined,
  toJsonString: (object) => JSON.stringify(object),
  urlEncode: (object) =>
    Object.entries(object).map(([key, value]) => `${formEncode(key)}=${formEncode(value)}`).join("&"),
  values: (object) => Object.values(object),
};
