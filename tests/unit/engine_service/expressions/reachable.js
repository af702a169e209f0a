// A function body that walks everything it can reach, and tells what is not frozen.
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
const syntax = [
  function () {}, () => {}, function* () {}, async function () {}, async function* () {}, class {},
  (function* () {})(), (async function* () {})(), [], {}, "", 0, true, 0n, Symbol(), /a/, new Map(), new Set(),
  [][Symbol.iterator](), ""[Symbol.iterator](), new Map().entries(), new Set().values(), "a".matchAll(/a/g),
  [].values().map((x) => x), Iterator.from({ next() {} }), new Date(), new Error(), new Int8Array(1),
  new Intl.Segmenter().segment("a"), new Intl.Segmenter().segment("a")[Symbol.iterator](), (() => {
    try { null.x } catch (error) { return error }
  })(), (async () => {})(), (s => s)`a`, Object.getOwnPropertyDescriptor((function () { return arguments })(), "callee").get,
];
const own = new Set(syntax);
const roots = [globalThis, __x, __k, __t, __n, __t(undefined), __s.inert, Object.getPrototypeOf(__s), __s.$, __s.$input,
  ...syntax, ...Object.values(__x).map((symbol) => ({})[symbol])];
[__s.$, __s.$input].forEach((made) => own.add(made));
const seen = new Set(), open = [];
const waiting = roots.map((root) => isObject(root) ? root : Object.getPrototypeOf(root));
while (waiting.length) {
  const value = waiting.pop();
  if (!isObject(value) || seen.has(value)) continue;
  seen.add(value);
  waiting.push(Object.getPrototypeOf(value));
  for (const key of Reflect.ownKeys(value)) {
    const found = Object.getOwnPropertyDescriptor(value, key);
    waiting.push(found.value, found.get, found.set);
  }
}
for (const value of seen) {
  if (!Object.isFrozen(value) && !own.has(value)) {
    open.push(String(value?.name ?? Object.prototype.toString.call(value)));
  }
}
return { open, count: seen.size };
