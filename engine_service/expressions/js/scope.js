// What an expression can name: $json, $input, $('Node'), $now and the rest, for one item of one batch.

const NOTHING = { items: [], nodes: {}, zone: "UTC", now: 0 };

let data = NOTHING;

/** Takes over the data of a batch; nothing of the batch before remains. `clock` tells the time. */
kit.setData = (batch, clock) => {
  data = { extra: {}, ...NOTHING, ...batch };
  kit.setTime(data.zone, clock);
};

const copyOf = (value) => value === undefined ? undefined : JSON.parse(JSON.stringify(value));

function needName(name) {
  return typeof name === "string" && name !== ""
    ? name
    : kit.fail("$() needs the name of a node", "NODE_NAME_MISSING");
}

function nodeData(name) {
  return Object.hasOwn(data.nodes, name)
    ? data.nodes[name]
    : kit.fail(`The node "${name}" has not run, so its data cannot be used`, "NODE_NOT_EXECUTED");
}

/** The items a node gave out; of its last run (-1) and first port, unless said otherwise. */
function itemsOf(name, port, run = -1) {
  const { runs } = nodeData(name);
  const ports = run === -1 ? runs.at(-1) : runs[run];
  if (ports === undefined && run >= runs.length) {
    kit.fail(`The node "${name}" has no run ${run}; it ran ${runs.length} times`, "NO_SUCH_RUN");
  }
  if (ports !== undefined && port >= ports.length) {
    kit.fail(`The node "${name}" has no output ${port}`, "NO_SUCH_OUTPUT");
  }
  return ports?.[port ?? 0];
}

function currentItem(index) {
  return data.items[index] ?? kit.fail("There is no input item here, so $json has no value", "NO_INPUT_ITEM");
}

/** The item of a node from which the current node's item at `index` was made. */
function pairedItem(name, index) {
  const position = nodeData(name).pairs?.[index];
  const item = typeof position === "number" ? itemsOf(name)?.[position] : undefined;
  return item ?? kit.fail(
    `It is unknown which item of the node "${name}" belongs to item ${index}; use .first(), .last() or .all()`,
    "NO_PAIRED_ITEM");
}

/** `$node["Name"]`: its paired item, or the item at the same position. */
function nodeView(name, index, take) {
  const position = nodeData(name).pairs?.[index] ?? index;
  const item = itemsOf(name)?.[position] ?? kit.fail(
    `The node "${name}" has no item at position ${position}`, "NO_PAIRED_ITEM");
  const view = take(item);
  return { json: view.json, data: view.json, binary: view.binary };
}

/** `$('Name')`. `take` copies what it is given when the expression may change it. */
class NodeReference {
  #name;
  #index;
  #take;

  constructor(name, index, take) {
    this.#name = name;
    this.#index = index;
    this.#take = take;
  }

  get isExecuted() { return Object.hasOwn(data.nodes, this.#name); }
  get item() { return this.#take(pairedItem(this.#name, this.#index)); }

  pairedItem(index) {
    return this.#take(pairedItem(this.#name, index ?? this.#index));
  }

  itemMatching(index) {
    if (index === undefined) kit.fail("itemMatching() needs the index of an item", "ITEM_INDEX_MISSING");
    return this.pairedItem(index);
  }

  all(port, run) { return this.#take([...itemsOf(this.#name, port, run) ?? []]); }
  first(port, run) { return this.#take(itemsOf(this.#name, port, run)?.[0]); }
  last(port, run) { return this.#take(itemsOf(this.#name, port, run)?.at(-1)); }
}

/** `$input`. */
class Input {
  #index;
  #take;

  constructor(index, take) {
    this.#index = index;
    this.#take = take;
  }

  get item() { return this.#take(currentItem(this.#index)); }
  all() { return this.#take([...data.items]); }
  first() { return this.#take(data.items[0]); }
  last() { return this.#take(data.items.at(-1)); }
}

/** All names for the item at `index`. Each is a getter: what is not used is not made. */
class Scope {
  #index;
  #take;

  /** `owns` asks for copies of the data, for an expression that may change what it is given. */
  constructor(index, owns) {
    this.#index = index;
    this.#take = owns ? copyOf : (value) => value;
  }

  get $json() { return this.#take(currentItem(this.#index).json); }
  get $data() { return this.$json; }
  get $binary() { return this.#take(currentItem(this.#index).binary) ?? {}; }
  get $item() { return this.#take(currentItem(this.#index)); }
  get item() { return this.$item; }
  get $itemIndex() { return this.#index; }
  get $runIndex() { return data.run?.index ?? 0; }
  get $items() { return this.#take([...data.items]); }
  get items() { return this.$items; }
  get $input() { return new Input(this.#index, this.#take); }
  get $() { return (name) => new NodeReference(needName(name), this.#index, this.#take); }
  get $now() { return kit.luxon().DateTime.fromMillis(data.now); }
  get $today() { return this.$now.startOf("day"); }
  get $run() { return this.#take(data.run) ?? {}; }
  get $execution() { return this.$run; }
  get $workflow() { return this.#take(data.workflow) ?? {}; }
  get $vars() { return this.#take(data.vars) ?? {}; }
  get $env() { return this.#take(data.env) ?? {}; }
  get DateTime() { return kit.luxon().DateTime; }
  get Duration() { return kit.luxon().Duration; }
  get Interval() { return kit.luxon().Interval; }

  get $node() {
    const view = (name) => nodeView(name, this.#index, this.#take);
    return new Proxy({}, { get: (_, name) => typeof name === "string" ? view(name) : undefined });
  }

  /** `$items("Node", port, run)`; without a name, the current input. */
  itemsOf(name, port, run) {
    return this.#take(name === undefined ? [...data.items] : itemsOf(name, port, run));
  }

  /** A name that only this node type or caller knows. */
  extra(name) {
    if (Object.hasOwn(data.extra, name)) return this.#take(data.extra[name]);
    throw new ReferenceError(`${name} is not defined`);
  }

  /** The operand of `typeof`, for which an unknown name is no error. */
  optional(name) {
    return Object.hasOwn(data.extra, name) ? data.extra[name] : undefined;
  }
}

for (const [name, value] of Object.entries(kit.functions)) {
  Object.defineProperty(Scope.prototype, name, { value });
}

kit.Scope = Scope;
kit.classes = [Scope, NodeReference, Input];

/** What `this` and the names of a host's world are in an expression: empty. */
kit.inert = Object.freeze({});
kit.inertThis = Object.freeze({ process: kit.inert, require: kit.inert, module: kit.inert, Buffer: kit.inert });
kit.self = (value) => value === undefined || value === globalThis ? kit.inertThis : value;
Object.defineProperty(Scope.prototype, "inert", { value: kit.inert });
