// The expression realm's door: a batch of expressions in, JSON out.

const MAX_COMPILED = 2_000;
const HIDDEN = ["__s", "__x", "__k", "__t", "__n", "__TimerManager"];
const TELLING_NOTHING = [TypeError, ReferenceError, URIError];
const HELPER_ON_NOTHING = /of (undefined|null) \(reading 'Symbol\((\w+)\)'\)/;

const MakeFunction = Function;
const compiled = new Map();

function compile(source) {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  const made = new MakeFunction(...HIDDEN, `"use strict"; ${source}`);
  compiled.set(source, made);
  return made;
}

const failed = (code, message) => JSON.stringify({ e: [code, message] });

/**
 * How an error looks outside. To read through nothing, or to call what is not there, is no error: it
 * gives nothing, as people's expressions count on.
 */
function describe(error, nothing) {
  try {
    if (error instanceof kit.Failure) return failed(error.code, error.message);
    if (TELLING_NOTHING.some((kind) => error instanceof kind)) {
      const [, what, name] = HELPER_ON_NOTHING.exec(error.message) ?? [];
      return name === undefined ? nothing : failed("EXPRESSION_FAILED", `${name}() cannot be called on ${what}`);
    }
    if (error instanceof Error) return failed("EXPRESSION_FAILED", `${error.name}: ${error.message}`);
    return failed("EXPRESSION_FAILED", String(error));
  } catch {
    return failed("EXPRESSION_FAILED", "The expression threw something that has no text");
  }
}

/** What an expression gives; `nothing` is what to say when it gives nothing at all. */
function cell(run, index, owns, nothing) {
  try {
    const scope = new kit.Scope(index, owns);
    const value = run.call(kit.inertThis, scope, kit.symbols, kit.safeKey, kit.self, kit.orNothing);
    const text = JSON.stringify(value);
    return text === undefined ? nothing : `{"v":${text}}`;
  } catch (error) {
    return describe(error, nothing);
  }
}

/** One expression for all items that need it: a list with one entry an item, or a single one. */
function column({ source, per_item: perItem, owns, gap }, indexes) {
  const nothing = gap ? "{}" : '{"v":null}';
  let run;
  try {
    run = compile(source);
  } catch (error) {
    return `[${failed("EXPRESSION_SYNTAX", error.message)}]`;
  }
  const wanted = perItem ? indexes : indexes.slice(0, 1);
  return `[${wanted.map((index) => cell(run, index, owns, nothing)).join(",")}]`;
}

function evaluate(text) {
  const { scope, slots, indexes } = JSON.parse(text);
  kit.setData(scope, () => scope.now);
  const columns = slots.map((slot) => column(slot, indexes));
  kit.setData({}, () => 0);
  return `[${columns.join(",")}]`;
}

globalThis.flowloom = evaluate;
