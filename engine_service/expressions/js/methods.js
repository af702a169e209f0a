// How `value.method()` finds a helper. The compiler writes `value[method.pluck](…)` for a call that
// has the name of a helper; the symbols live on Object.prototype, where data cannot see them.

/** The symbol of each helper by its name. */
kit.symbols = Object.create(null);

/** Stands for null and undefined in `value.isEmpty()`, which is the way to ask for them. */
class Nothing {}
const nothing = new Nothing();
kit.orNothing = (value) => value ?? nothing;

/** Helpers by which a text that spells a moment is taken for that moment. */
function isForMoments(name) {
  if (Object.hasOwn(kit.methods.string, name)) return ["toFloat", "toInt", "toNumber"].includes(name);
  return Object.hasOwn(kit.methods.date, name);
}

function helperOf(value, name) {
  if (Array.isArray(value)) return kit.methods.array[name];
  if (kit.isMoment(value)) return kit.methods.date[name];
  if (typeof value !== "object") return kit.methods[typeof value]?.[name];
  return kit.isPlainObject(value) && typeof value[name] !== "function" ? kit.methods.object[name] : undefined;
}

function kindsWith(name) {
  return Object.keys(kit.methods).filter((kind) => Object.hasOwn(kit.methods[kind], name));
}

function call(value, name, values) {
  if (value === nothing) return name === "isEmpty";
  if (typeof value === "string" && isForMoments(name) && kit.isMomentText(value)) {
    return kit.methods.date[name](new Date(value), ...values);
  }
  const helper = helperOf(value, name);
  if (helper !== undefined) return helper(value, ...values);
  if (typeof value[name] === "function") return value[name](...values);
  return kit.fail(`${name}() is not a function of ${kit.kindOf(value)} values; it works on: ${kindsWith(name).join(", ")}`);
}

kit.installMethods = () => {
  for (const name of new Set(Object.values(kit.methods).flatMap((methods) => Object.keys(methods)))) {
    const symbol = Symbol(name);
    kit.symbols[name] = symbol;
    Object.defineProperty(Object.prototype, symbol, {
      value: { [name](...values) { return call(this, name, values); } }[name],
    });
  }
  Object.freeze(kit.symbols);
};
