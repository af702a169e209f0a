// A `Buffer` for authors who know Node's: bytes from text and back, in its encodings.

const HEX = /^(?:[0-9a-f]{2})*/i;
const ALIASES = { "utf-8": "utf8", binary: "latin1", ucs2: "utf16le", "ucs-2": "utf16le", "utf-16le": "utf16le" };

const nameOf = (encoding = "utf8") => {
  const name = String(encoding).toLowerCase();
  return ALIASES[name] ?? name;
};

const unknown = (encoding) => { throw new TypeError(`Unknown encoding: ${encoding}`); };
const letters = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

const readers = {
  utf8: (text) => kit.utf8Bytes(text),
  hex: (text) => (HEX.exec(text)[0].match(/../g) ?? []).map((pair) => parseInt(pair, 16)),
  base64: (text) => kit.base64Bytes(text),
  base64url: (text) => kit.base64Bytes(text),
  latin1: (text) => Array.from({ length: text.length }, (_, at) => text.charCodeAt(at) & 0xff),
  ascii: (text) => readers.latin1(text),
  utf16le: (text) => Array.from({ length: text.length * 2 }, (_, at) => (text.charCodeAt(at >> 1) >> (8 * (at & 1))) & 0xff),
};

const writers = {
  utf8: (bytes) => kit.utf8Text(bytes),
  hex: (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  base64: (bytes) => kit.base64Text(bytes),
  base64url: (bytes) => kit.base64Text(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
  latin1: letters,
  ascii: (bytes) => letters(bytes.map((byte) => byte & 0x7f)),
  utf16le: (bytes) => Array.from({ length: bytes.length >> 1 }, (_, at) => String.fromCharCode(bytes[2 * at] | (bytes[2 * at + 1] << 8))).join(""),
};

const bytesOf = (text, encoding) => (readers[nameOf(encoding)] ?? unknown(encoding))(text);
const textOf = (bytes, encoding) => (writers[nameOf(encoding)] ?? unknown(encoding))(bytes);

class Buffer extends Uint8Array {
  static from(value, encoding, length) {
    if (typeof value === "string") return super.from(bytesOf(value, encoding));
    if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
    return super.from(value?.type === "Buffer" ? value.data : value);
  }

  static alloc(size, fill = 0, encoding = "utf8") {
    const made = new Buffer(size);
    if (typeof fill === "number") return made.fill(fill);
    const bytes = bytesOf(fill, encoding);
    return bytes.length === 0 ? made : made.map((_, at) => bytes[at % bytes.length]);
  }

  static concat(list, length = undefined) {
    const all = Buffer.from(list.flatMap((one) => [...one]));
    return length === undefined ? all : all.subarray(0, length);
  }

  static isBuffer(value) { return value instanceof Buffer; }
  static byteLength(value, encoding) { return typeof value === "string" ? bytesOf(value, encoding).length : value.byteLength; }

  toString(encoding, start = 0, end = this.length) { return textOf(this.subarray(start, end), encoding); }
  toJSON() { return { type: "Buffer", data: [...this] }; }
  equals(other) { return this.length === other.length && this.every((byte, at) => byte === other[at]); }
  slice(start, end) { return this.subarray(start, end); }
}

globalThis.Buffer = Buffer;
globalThis.btoa = (text) => kit.base64Text(readers.latin1(String(text)));
globalThis.atob = (text) => letters(kit.base64Bytes(String(text)));
globalThis.structuredClone = (value) => value === undefined ? undefined : JSON.parse(JSON.stringify(value));
