// UTF-8, base64 and digests, which V8 alone does not have.

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALGORITHMS = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3", "base64"];

let digests;

/** The UTF-8 bytes of a text. */
function encodeUtf8(text) {
  const escaped = encodeURIComponent(text.toWellFormed());
  const bytes = [];
  for (let at = 0; at < escaped.length; at += 1) {
    if (escaped[at] === "%") {
      bytes.push(parseInt(escaped.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(escaped.charCodeAt(at));
    }
  }
  return bytes;
}

/** How many bytes follow the first one of a character; -1 where it cannot be the first. */
const following = (first) => first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;

/** The lowest and highest second byte: what would be too long, half a character or beyond Unicode is none. */
const SECOND = { 0xe0: [0xa0, 0xbf], 0xed: [0x80, 0x9f], 0xf0: [0x90, 0xbf], 0xf4: [0x80, 0x8f] };

/** The text of UTF-8 bytes; U+FFFD stands for what is none. */
function decodeUtf8(bytes) {
  const letters = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at];
    const count = following(first);
    let code = count <= 0 ? first : first & (0x3f >> count);
    let taken = 1;
    for (; taken <= count; taken += 1) {
      const [low, high] = taken === 1 ? SECOND[first] ?? [0x80, 0xbf] : [0x80, 0xbf];
      const next = bytes[at + taken];
      if (!(next >= low && next <= high)) break;
      code = (code << 6) | (next & 0x3f);
    }
    letters.push(count >= 0 && taken > count ? String.fromCodePoint(code) : "\ufffd");
    at += Math.max(taken, 1);
  }
  return letters.join("");
}

kit.utf8Bytes = encodeUtf8;
kit.utf8Text = decodeUtf8;

kit.base64Text = (bytes) => {
  let encoded = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    encoded += BASE64[group >> 18] + BASE64[(group >> 12) & 63];
    encoded += at + 1 < bytes.length ? BASE64[(group >> 6) & 63] : "=";
    encoded += at + 2 < bytes.length ? BASE64[group & 63] : "=";
  }
  return encoded;
};

kit.base64Bytes = (text) => {
  const bytes = [];
  let bits = 0;
  let count = 0;
  for (const letter of text.replaceAll("-", "+").replaceAll("_", "/")) {
    const value = BASE64.indexOf(letter);
    if (value < 0) continue;
    bits = ((bits << 6) | value) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push((bits >> count) & 255);
    }
  }
  return bytes;
};

kit.base64Encode = (text) => kit.base64Text(encodeUtf8(text));
kit.base64Decode = (text) => decodeUtf8(kit.base64Bytes(text));

kit.hash = (text, algorithm) => {
  const name = String(algorithm).toLowerCase();
  if (name === "base64") return kit.base64Encode(text);
  if (!ALGORITHMS.includes(name)) {
    kit.fail(`Unknown algorithm ${algorithm}. Available algorithms are: ${ALGORITHMS.join(", ")}.`);
  }
  digests ??= kit.loadDigests();
  const digest = digests[name === "sha3" ? "sha3_512" : name](Uint8Array.from(encodeUtf8(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
};
