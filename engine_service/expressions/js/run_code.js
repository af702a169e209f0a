// The code realm's door: a program in, its result and what it logged out. The realm is made for one
// run and thrown away after it, so nothing here is frozen.

const MAX_LOG_LINES = 200;
const MAX_LOG_CHARACTERS = 20_000;
const POSITION = /author\.js:(\d+):/;
const LINES_BEFORE_CODE = 2;

const AsyncFunction = (async () => {}).constructor;
const { parse, stringify } = JSON;
const lines = [];
let characters = 0;

function textOf(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function write(level, values) {
  if (lines.length >= MAX_LOG_LINES || characters >= MAX_LOG_CHARACTERS) return;
  const text = values.map(textOf).join(" ").slice(0, MAX_LOG_CHARACTERS - characters);
  characters += text.length;
  lines.push({ level, text });
  if (lines.length === MAX_LOG_LINES || characters >= MAX_LOG_CHARACTERS) {
    lines.push({ level: "warning", text: "Further lines are not kept." });
  }
}

const levels = { debug: "debug", error: "error", info: "info", log: "info", table: "info", trace: "debug", warn: "warning" };
globalThis.console = Object.fromEntries(
  Object.entries(levels).map(([name, level]) => [name, (...values) => write(level, values)]));

delete globalThis.WebAssembly;

/** The host's own cannot do a delay of nothing. */
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = (call, delay, ...values) => setTimer(call, Math.max(1, Number(delay) || 1), ...values);

/** What went wrong, with the line of the author's code if V8 says it. */
function describe(error) {
  if (error instanceof kit.Failure) return { code: error.code, name: "Error", message: error.message };
  if (!(error instanceof Error)) return { code: "CODE_FAILED", name: "Error", message: textOf(error) };
  const found = POSITION.exec(error.stack ?? "");
  const line = found === null ? 0 : Number(found[1]) - LINES_BEFORE_CODE;
  return { code: "CODE_FAILED", name: String(error.name), message: String(error.message), line: line > 0 ? line : null };
}

function load(source) {
  try {
    return { run: new AsyncFunction("__s", "__x", "__n", `${source}\n//# sourceURL=author.js`) };
  } catch (error) {
    return { problem: { code: "CODE_SYNTAX", name: "SyntaxError", message: error.message, line: null } };
  }
}

async function runEach(run, count) {
  const results = [];
  for (let index = 0; index < count; index += 1) {
    results.push(await run(new kit.Scope(index, false), kit.symbols, kit.orNothing) ?? null);
  }
  return results;
}

async function runCode(text) {
  const { scope, source, each } = parse(text);
  kit.setData(scope, Date.now);
  const { run, problem } = load(source);
  if (problem !== undefined) return stringify({ error: problem, logs: lines });
  try {
    const result = each ? await runEach(run, scope.items.length) : await run(new kit.Scope(0, false), kit.symbols, kit.orNothing);
    return stringify({ result: result ?? null, logs: lines });
  } catch (error) {
    return stringify({ error: describe(error), logs: lines });
  }
}

globalThis.flowloom = runCode;
