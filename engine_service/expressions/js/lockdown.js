// Makes a realm safe to share between tenants: nothing an expression can reach can be changed, so
// nothing one evaluation does can be seen by the next. Runs last, once.

/** JSON forms of what JSON does not know. */
function defineJsonForms() {
  const define = (prototype, value) => Object.defineProperty(prototype, "toJSON", { value });
  define(Map.prototype, function toJSON() { return Object.fromEntries(this); });
  define(Set.prototype, function toJSON() { return [...this]; });
  define(BigInt.prototype, function toJSON() {
    return Number.isSafeInteger(Number(this)) ? Number(this) : String(this);
  });
}

/** Time is the batch's: `new Date()` and `Date.now()` ask the kit. */
function fixDate() {
  const Native = Date;
  const Fixed = function (...values) {
    if (new.target === undefined) return new Native(kit.now()).toString();
    return Reflect.construct(Native, values.length === 0 ? [kit.now()] : values, new.target);
  };
  Object.defineProperties(Fixed, {
    name: { value: "Date" },
    length: { value: 7 },
    prototype: { value: Native.prototype, writable: false },
    now: { value: () => kit.now() },
    parse: { value: Native.parse },
    UTC: { value: Native.UTC },
  });
  Native.prototype.constructor = Fixed;
  globalThis.Date = Fixed;
}

/** What keeps state, makes code from text, or opens the inside of objects. */
function removeTools() {
  const legacyMatch = ["input", "$_", "lastMatch", "$&", "lastParen", "$+", "leftContext", "$`", "rightContext", "$'"];
  for (let group = 1; group <= 9; group += 1) legacyMatch.push(`$${group}`);
  for (const name of legacyMatch) delete RegExp[name];
  delete RegExp.prototype.compile;
  for (const name of ["__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"]) {
    delete Object.prototype[name];
  }
  for (const make of [function () {}, function* () {}, async function () {}, async function* () {}]) {
    delete Object.getPrototypeOf(make).constructor;
  }
  for (const name of ["caller", "arguments"]) delete Function.prototype[name];
  for (const name of ["captureStackTrace", "prepareStackTrace", "stackTraceLimit"]) delete Error[name];
  for (const name of ["wait", "waitAsync"]) delete Atomics[name];
  for (const name of ["eval", "Function", "WebAssembly", "FinalizationRegistry", "WeakRef", "Promise",
                      "setTimeout", "clearTimeout", "__timer_manager"]) {
    if (!Reflect.deleteProperty(globalThis, name)) globalThis[name] = undefined;
  }
}

/** Lets objects have their own `toString`, `name` and so on although the prototype's are frozen. */
function allowOwn(prototype, names) {
  for (const name of names) {
    const found = Object.getOwnPropertyDescriptor(prototype, name);
    if (found === undefined || !("value" in found)) continue;
    Object.defineProperty(prototype, name, {
      get() { return found.value; },
      set(value) {
        if (this === prototype) throw new TypeError(`Cannot change ${name}`);
        Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
      },
      configurable: false,
      enumerable: false,
    });
  }
}

/** Objects that only syntax gives: the prototypes of functions and iterators of every sort. */
function hiddenObjects() {
  const generator = function* () {};
  const asyncGenerator = async function* () {};
  const segments = new Intl.Segmenter().segment("a");
  return [
    generator, generator(), asyncGenerator, asyncGenerator(), async function () {}, (async () => {})(), () => {},
    [][Symbol.iterator](), ""[Symbol.iterator](), new Map().entries(), new Set().values(), "a".matchAll(/a/g),
    [].values().map((value) => value), Iterator.from({ next: () => ({ done: true }) }),
    segments, segments[Symbol.iterator](), Symbol.prototype, 1n,
    Object.getOwnPropertyDescriptor((function () { return arguments; })(), "callee").get,
  ].map(Object);
}

function freezeAll(roots) {
  const seen = new Set();
  const waiting = [...roots];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
    seen.add(value);
    waiting.push(Object.getPrototypeOf(value));
    for (const key of Reflect.ownKeys(value)) {
      const found = Object.getOwnPropertyDescriptor(value, key);
      waiting.push(found.value, found.get, found.set);
    }
  }
  for (const value of seen) Object.freeze(value);
}

kit.lockDown = () => {
  defineJsonForms();
  fixDate();
  removeTools();
  allowOwn(Object.prototype, ["toString", "toLocaleString", "valueOf", "hasOwnProperty"]);
  allowOwn(Array.prototype, ["toString"]);
  for (const kind of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError]) {
    allowOwn(kind.prototype, ["name", "message", "toString"]);
  }
  freezeAll([globalThis, kit, ...hiddenObjects()]);
};
