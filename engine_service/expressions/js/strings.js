// The helper methods of strings.

const DOMAIN_LABEL = "[\\p{L}\\p{N}](?:[\\p{L}\\p{N}-]*[\\p{L}\\p{N}])?";
const TOP_LEVEL = "(?:xn--[a-z0-9-]+|\\p{L}{2,})";
const HOST_LABEL = "[\\p{L}\\p{N}_](?:[\\p{L}\\p{N}_-]*[\\p{L}\\p{N}_])?";
const HOST =
  `(?:localhost|\\d{1,3}(?:\\.\\d{1,3}){3}|\\[[0-9a-f:.]+\\]|(?:${HOST_LABEL}\\.)+${TOP_LEVEL})`;
const EMAIL = `[\\p{L}\\p{N}.!#$%&'*+/=?^_\`{|}~-]+@(?:${DOMAIN_LABEL}\\.)+${TOP_LEVEL}`;
const URL = `(?:https?|ftp|wss?)://(?:[^\\s/?#@]*@)?${HOST}(?::\\d{1,5})?(?:[/?#][^\\s"'<>\`]*)?`;

const IS_DOMAIN = new RegExp(`^(?:${DOMAIN_LABEL}\\.)+${TOP_LEVEL}(?::\\d{1,5})?$`, "iu");
const IS_EMAIL = new RegExp(`^${EMAIL}$`, "iu");
const IS_URL = new RegExp(`^${URL}$`, "iu");
const FIRST_EMAIL = new RegExp(EMAIL, "iu");
const FIRST_URL = new RegExp(URL, "iu");
const DOMAIN_OF = new RegExp(
  `^(?:(?:[a-z][a-z0-9+.-]*:)?//)?(?:[^\\s/?#@]*@)?(${HOST})(?::\\d{1,5})?(?:[/?#]\\S*)?$`, "iu");
const PATH_OF = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#]+([^\s?#]*)/i;

const CURRENCY = /^\s*([+-]?)\s*\p{Sc}\s*/u;
const FALSE_WORDS = new Set(["false", "0", "no", ""]);
const SMALL_WORDS = new Set((
  "a an and as at because but by en for if in neither nor of on only or over per so some than that " +
  "the to up upon v versus via vs when with without yet").split(" "));
const PLAIN_LETTERS = {
  ß: "ss", æ: "ae", Æ: "AE", œ: "oe", Œ: "OE", ø: "o", Ø: "O", đ: "d", Đ: "D", ð: "d", Ð: "D", þ: "th",
  Þ: "TH", ł: "l", Ł: "L", ı: "i", "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-",
  "—": "-", "…": "...", "€": "EUR", "£": "GBP", "¥": "JPY", "©": "(c)", "®": "(r)", "™": "tm", "×": "x",
  "«": "<<", "»": ">>", "\u00a0": " ",
};

const parseUrl = (text) => FIRST_URL.exec(text)?.[0].replace(/[.,;:!?)\]}]+$/, "");
const withoutCurrency = (text) => text.replace(CURRENCY, "$1");

function parseNumber(text, parsed) {
  return Number.isNaN(parsed) ? kit.fail(`"${text}" cannot be converted to a number`) : parsed;
}

/** Upper-cases the first letter of each piece the pattern finds. */
const capitalise = (text, pattern) => text.replace(pattern, (piece) => piece.toUpperCase());

function toTitleCase(text) {
  let startsSentence = true;
  return text.toLowerCase().replace(/[^\s–—-]+/gu, (word) => {
    const small = SMALL_WORDS.has(word.replace(/[^\p{L}]/gu, "")) && !startsSentence;
    startsSentence = /[.!?:]["')\]]*$/.test(word);
    return small ? word : word.replace(/\p{L}/u, (letter) => letter.toUpperCase());
  });
}

function removeMarkdown(text) {
  return text
    .replace(/^(?:-\s*?|\*\s*?|_\s*?){3,}\s*$/gm, "")
    .replace(/^\s{0,3}(?:```|~~~)[^\n]*\n?/gm, "")
    .replace(/<[^>]*>/g, "")
    .replace(/^[=-]{2,}\s*$/gm, "")
    .replace(/\[\^.+?\](?:: .*?$)?/gm, "")
    .replace(/!\[([^\]]*)\]\s?[[(][^\])]*[\])]/g, "$1")
    .replace(/\[([^\]]*)\]\s?[[(][^\])]*[\])]/g, "$1")
    .replace(/^\s{0,3}>\s?/gm, "")
    .replace(/^\s{0,3}\[[^\]]+\]:\s*\S+(?:\s+".*?")?\s*$/gm, "")
    .replace(/^(\s*)#{1,6}\s+(.*?)\s*#*\s*$/gm, "$1$2")
    .replace(/^(\s*)(?:[*+-]|\d+\.)\s+/gm, "$1")
    .replace(/([*_]{1,3})(\S(?:.*?\S)?)\1/g, "$2")
    .replace(/~~(\S(?:.*?\S)?)~~/g, "$1")
    .replace(/(`+)(.+?)\1/g, "$2");
}

function replaceSpecialChars(text) {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/[^\0-\x7f]/gu, (letter) => PLAIN_LETTERS[letter] ?? letter);
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    const hint = text.includes("'") ? " Use double quotes, not single ones." : "";
    return kit.fail(`The text is not valid JSON: ${error.message}.${hint}`);
  }
}

function quote(text, mark = '"') {
  return mark + text.replaceAll(mark, `\\${mark}`) + mark;
}

const toFloat = (text) => parseNumber(text, parseFloat(withoutCurrency(text)));
const toInt = (text, radix = 10) => parseNumber(text, parseInt(withoutCurrency(text), radix));
const removeTags = (text) => text.replace(/<[^>]*>?/g, "");
const isNumeric = (text) => text.trim() !== "" && !Number.isNaN(Number(text));

kit.methods.string = {
  base64Decode: (text) => kit.base64Decode(text),
  base64Encode: (text) => kit.base64Encode(text),
  extractDomain: (text) => DOMAIN_OF.exec(text.trim().replace(/^mailto:/i, ""))?.[1],
  extractEmail: (text) => FIRST_EMAIL.exec(text)?.[0],
  extractUrl: (text) => parseUrl(text),
  extractUrlPath: (text) => PATH_OF.test(text) ? PATH_OF.exec(text)[1] || "/" : undefined,
  hash: (text, algorithm = "md5") => kit.hash(text, algorithm),
  isDomain: (text) => IS_DOMAIN.test(text),
  isEmail: (text) => IS_EMAIL.test(text),
  isEmpty: (text) => text === "",
  isNotEmpty: (text) => text !== "",
  isNumeric,
  isUrl: (text) => IS_URL.test(text),
  length: (text) => text.length,
  parseJson,
  quote,
  removeMarkdown,
  removeTags,
  replaceSpecialChars,
  toBoolean: (text) => !FALSE_WORDS.has(text.trim().toLowerCase()),
  toDate: (text) => kit.parseDate(text),
  toDateTime: (text, format) => kit.parseDateTime(text, format),
  toDecimalNumber: toFloat,
  toFloat,
  toInt,
  toJsonString: (text) => JSON.stringify(text),
  toNumber: toFloat,
  toSentenceCase: (text) => capitalise(text.toLowerCase(), /(?:^\s*|[.!?]\s+)\p{L}/gu),
  toSnakeCase: (text) =>
    text.toLowerCase().replace(/[\s-]+/g, "_").replace(/[^\p{L}\p{N}_]/gu, ""),
  toTitleCase,
  toWholeNumber: toInt,
  urlDecode: (text, keepSyntax = false) => keepSyntax ? decodeURI(text) : decodeURIComponent(text),
  urlEncode: (text, keepSyntax = false) => keepSyntax ? encodeURI(text) : encodeURIComponent(text),
};
