// What the helper files share: failures with a code, names of kinds, equality by content.

class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

kit.Failure = Failure;

kit.fail = (message, code = "EXPRESSION_FAILED") => {
  throw new Failure(code, message);
};

kit.isPlainObject = (value) => {
  if (value === null || typeof value !== "object") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
};

/** A moment: a Date or a Luxon DateTime (recognised by its mark, whichever copy of Luxon made it). */
kit.isMoment = (value) =>
  value instanceof Date || (typeof value === "object" && value !== null && value.isLuxonDateTime === true);

/** What a person would call the kind of this value. */
kit.kindOf = (value) => {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "array";
  if (kit.isMoment(value)) return "date";
  return typeof value;
};

/** Equal by content: arrays and objects are compared deeply, everything else as Object.is does. */
kit.sameContent = (left, right) => {
  if (Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
    return false;
  }
  if (kit.isMoment(left) && kit.isMoment(right)) return left.valueOf() === right.valueOf();
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && kit.sameContent(left[key], right[key]));
};

/** Names that open the inside of an object. Data may hold them; an expression may not ask for them. */
kit.forbiddenKeys = new Set([
  "__proto__", "prototype", "constructor", "caller", "callee", "arguments", "mainModule", "binding",
  "_linkedBinding", "_load", "prepareStackTrace", "execve", "loadEnvFile",
  "__lookupGetter__", "__lookupSetter__", "__defineGetter__", "__defineSetter__", "getPrototypeOf",
  "setPrototypeOf", "getOwnPropertyDescriptor", "getOwnPropertyDescriptors", "defineProperty",
  "defineProperties", "dlopen", "getBuiltinModule",
]);

/** A computed key, turned into a property key once, so that it cannot change after the check. */
kit.safeKey = (key) => {
  if (typeof key === "number" || typeof key === "symbol") return key;
  const name = `${key}`;
  if (kit.forbiddenKeys.has(name)) {
    kit.fail(`"${name}" cannot be accessed in an expression`, "EXPRESSION_FORBIDDEN");
  }
  return name;
};
