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

/** What is known of a node, whether it ran or not. */
const aboutNode = (name) => Object.hasOwn(data.nodes, name) ? data.nodes[name] : {};
const hasRun = (name) => Array.isArray(aboutNode(name).runs);

function nodeData(name) {
  return hasRun(name)
    ? data.nodes[name]
    : kit.fail(`The node "${name}" has not run, so its data cannot be used`, "NODE_NOT_EXECUTED");
}

/** The items a node gave out; of its last run (-1) and the port that leads here, unless said otherwise. */
function itemsOf(name, port, run = -1) {
  const { runs, port: usual } = nodeData(name);
  const ports = run === -1 ? runs.at(-1) : runs[run];
  if (ports === undefined && run >= runs.length) {
    kit.fail(`The node "${name}" has no run ${run}; it ran ${runs.length} times`, "NO_SUCH_RUN");
  }
  if (ports !== undefined && port >= ports.length) {
    kit.fail(`The node "${name}" has no output ${port}`, "NO_SUCH_OUTPUT");
  }
  return ports?.[port ?? usual ?? 0];
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
  return { json: view.json, data: view.json, binary: view.binary, parameter: aboutNode(name).params };
}

/** `$node["Name"]` of a node that did not run: only what was written of it. */
const unrunView = (name) => aboutNode(name).params === undefined
  ? nodeData(name)
  : { parameter: aboutNode(name).params, get json() { return nodeData(name); } };

/** Which item of `name` the item `pair` of `source`'s output was made from, where that is the same node. */
function linkedItem(name, source, pair) {
  const items = source?.previousNode === name
    ? itemsOf(name, source.previousNodeOutput ?? 0, source.previousNodeRun ?? -1)
    : undefined;
  return items?.[pair?.item ?? pair] ?? kit.fail(
    `It is unknown which item of the node "${name}" this one was made from`, "NO_PAIRED_ITEM");
}

/** A value that a model chose for a tool: it stands in the item under that name. */
function chosenByModel(item, name, otherwise) {
  if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
    kit.fail("$fromAI() needs a name of letters, digits, - and _");
  }
  const found = item?.json;
  return found !== undefined && Object.hasOwn(found, name) ? found[name] : otherwise;
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

  get isExecuted() { return hasRun(this.#name); }
  get params() { return this.#take(aboutNode(this.#name).params); }
  get context() { return {}; }
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
  get params() { return this.#take(aboutNode(data.previous?.name).params); }
  get context() { return {}; }
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
  get $thisItem() { return this.$item; }
  get $itemIndex() { return this.#index; }
  get $thisItemIndex() { return this.#index; }
  get $position() { return this.#index; }
  get $prevNode() { return this.#take(data.previous) ?? {}; }
  get $parameter() { return this.#take(aboutNode(data.node?.name).params) ?? {}; }
  get $rawParameter() { return this.$parameter; }
  get $nodeId() { return data.node?.id; }
  get $nodeVersion() { return data.node?.version; }
  get $self() { return {}; }
  get $getPairedItem() { return (name, source, pair) => this.#take(linkedItem(name, source, pair)); }
  get $fromAI() {
    return (name, _description, _type, otherwise) =>
      this.#take(chosenByModel(data.items[this.#index], name, otherwise));
  }
  get $fromAi() { return this.$fromAI; }
  get $fromai() { return this.$fromAI; }
  get $runIndex() { return data.run?.index ?? 0; }
  get $thisRunIndex() { return this.$runIndex; }
  get $executionId() { return data.run?.id; }
  get $mode() { return data.run?.mode; }
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
    const view = (name) => hasRun(name) ? nodeView(name, this.#index, this.#take) : unrunView(name);
    return new Proxy({}, { get: (_, name) => typeof name === "string" ? view(name) : undefined });
  }

  /** `$items("Node", port, run)`; without a name, the current input. */
  itemsOf(name, port, run) {
    return this.#take(name === undefined ? [...data.items] : itemsOf(name, port, run));
  }

  /** `$item(2)`: the names as the item at that position sees them. */
  itemAt(index) {
    return new Scope(Number(index), this.#take === copyOf);
  }

  /** A name that only this node type or caller knows; nothing where nobody does. */
  extra(name) {
    return Object.hasOwn(data.extra, name) ? this.#take(data.extra[name]) : undefined;
  }
}

for (const [name, value] of Object.entries(kit.functions)) {
  Object.defineProperty(Scope.prototype, name, { value });
}

kit.Scope = Scope;
kit.classes = [Scope, NodeReference, Input];

/** What `this` and the names of a host's world are in an expression: empty. */
kit.inert = Object.freeze({});

/** `process` as it can be read there; nothing stands in the object itself, so a copy of it is empty. */
kit.process = Object.create({
  arch: "x64", env: kit.inert, pid: 1, platform: "linux", ppid: 0, release: { name: "node" },
  version: "v22.23.3", versions: { node: "22.23.3" },
});
kit.inertThis = Object.freeze({ process: kit.inert, require: kit.inert, module: kit.inert, Buffer: kit.inert });
kit.self = (value) => value === undefined || value === globalThis ? kit.inertThis : value;
Object.defineProperty(Scope.prototype, "inert", { value: kit.inert });
Object.defineProperty(Scope.prototype, "process", { value: kit.process });
