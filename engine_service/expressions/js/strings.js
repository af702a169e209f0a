// The helper methods of strings.

const HOST =
  "(?:(?:[-\\w]+\\.)+(?:[a-z]{2,}|xn--[a-z0-9]+)|localhost|\\d{1,3}(?:\\.\\d{1,3}){3})";
const AFTER_HOST = "(?::\\d+)?(?:/[^\\s?]*)?(?:\\?[^\\s#]*)?(?:#\\S*)?";
const URL = `(?:https?|ftp)://${HOST}(?::\\d+)?(?:[/?#]?\\S*)`;
const LOCAL_PART = '(?:[^<>()[\\]\\\\.,;:\\s@"]+(?:\\.[^<>()[\\]\\\\.,;:\\s@"]+)*|".+")';
const EMAIL_HOST = "\\[\\d{1,3}(?:\\.\\d{1,3}){3}\\]|(?:[a-z0-9-]+\\.)+[a-z]{2,}";

const IS_DOMAIN = new RegExp(`^${HOST}${AFTER_HOST}$`, "i");
const IS_URL = new RegExp(`^${URL}$`, "i");
const FIRST_EMAIL = new RegExp(`${LOCAL_PART}@(${EMAIL_HOST})`, "i");
const FIRST_URL = new RegExp(URL, "i");
const DOMAIN_OF = new RegExp(`^(?:(?:https?|ftp)://)?(?:mailto:)?(?://)?(${HOST})${AFTER_HOST}$`, "i");
const PATH_OF = /^[a-z][a-z0-9+.-]*:\/\/[^\s\\/?#]+([^?#]*)/i;

/** What stands beside amounts, longest first, so that `CHF` is not taken for a lone sign. */
const CURRENCIES = (
  "B/. S/. Дин. CHF RD$ TT$ NT$ ден дeн Lek BZ$ лв kn Kč kr Ft Rp RM MT Gs zł lei Bs Br KM R$ J$ C$ $b $U Z$ " +
  "؋ $ ƒ ₼ ៛ ¥ ₡ ₱ £ € ¢ ₹ ﷼ ₪ ₩ ₭ ₨ ₮ ₦ ₽ ฿ ₺ ₴ ₫ P Q L S R").split(" ");
const CURRENCY = new RegExp(
  CURRENCIES.map((sign) => sign.replace(/[.$/]/g, "\\$&")).sort((a, b) => b.length - a.length).join("|"), "gu");
const FALSE_WORDS = new Set(["false", "0", "no", ""]);
const SMALL_WORD = new RegExp(
  "\\b(?:a|an|and|as|at|because|but|by|en|for|if|in|neither|nor|of|on|or|only|over|per|so|some|than|that|" +
  "the|to|up|upon|v|versus|via|vs|when|with|without|yet)\\b", "i");
const WORD = /[^\s:–—-]+|[^\n]/g;
const WRITTEN_ON_PURPOSE = /.(?=[A-Z]|\..)/;
const PLAIN_LETTERS = {
  ß: "ss", æ: "ae", Æ: "AE", œ: "oe", Œ: "OE", ø: "o", Ø: "O", đ: "d", Đ: "D", ð: "d", Ð: "D", þ: "th",
  Þ: "TH", ł: "l", Ł: "L", ı: "i", "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-",
  "—": "-", "…": "...", "€": "EU", "£": "GBP", "¥": "JPY", "©": "(c)", "®": "(r)", "™": "tm", "×": "x",
  "«": "<<", "»": ">>", "\u00a0": " ",
};

const withoutCurrency = (text) => text.replace(CURRENCY, "");

function parseNumber(text, parsed) {
  return Number.isNaN(parsed) ? kit.fail(`"${text}" cannot be converted to a number`) : parsed;
}

/** Words begin with a capital but for small ones in the middle; what has capitals inside stays. */
function toTitleCase(text) {
  return [...text.matchAll(WORD)].map(({ 0: word, index }) => {
    const end = index + word.length;
    const isInside = index > 0 && end < text.length;
    const isScheme = text[end] === ":" && !/\s/.test(text[end + 1] ?? "");
    if (WRITTEN_ON_PURPOSE.test(word) || isScheme || (isInside && SMALL_WORD.test(word))) return word;
    return word.replace(/[a-z0-9\u00c0-\u00ff]/i, (letter) => letter.toUpperCase());
  }).join("");
}

/** The first letter after each mark of punctuation is a capital, all others are small. */
function toSentenceCase(text) {
  return text.replace(/[^.!?]*[.!?]?/gu, (sentence) => {
    const first = sentence.search(/\p{L}/u);
    if (first < 0) return sentence;
    return sentence.slice(0, first) + sentence[first].toUpperCase() + sentence.slice(first + 1).toLowerCase();
  });
}

function removeMarkdown(text) {
  return text
    .replace(/^(?:-\s*?|\*\s*?|_\s*?){3,}\s*$/gm, "")
    .replace(/^\s{0,3}(?:```|~~~)[^\n]*\n?/gm, "")
    .replace(/<[^>]*>/g, "")
    .replace(/^[=-]{2,}\s*$/gm, "")
    .replace(/\[\^.+?\](?:: .*?$)?/gm, "")
    .replace(/!\[[^\]]*\]\s?[[(][^\])]*[\])]/g, "")
    .replace(/\[([^\]]*)\]\s?[[(][^\])]*[\])]/g, "$1")
    .replaceAll(">", "")
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
    .replace(/[^\0-\x7f]/gu, (letter) => PLAIN_LETTERS[letter] ?? "?");
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
  return mark + text.replaceAll("\\", "\\\\").replaceAll(mark, `\\${mark}`) + mark;
}

function toFloat(text) {
  if (text.includes(",")) kit.fail(`"${text}" cannot be converted to a number: a point separates decimals`);
  return parseNumber(text, parseFloat(withoutCurrency(text)));
}

const toInt = (text, radix) => parseNumber(text, parseInt(withoutCurrency(text), radix));
const toNumber = (text) => parseNumber(text, Number(withoutCurrency(text)));
const removeTags = (text) => text.replace(/<[^>]*>?/g, "");
const isNumeric = (text) =>
  !text.includes(" ") && !Number.isNaN(Number(text)) && !Number.isNaN(parseFloat(text));
const isEmail = (text) => !text.includes(" ") && FIRST_EMAIL.test(text);
const extractDomain = (text) => isEmail(text) ? FIRST_EMAIL.exec(text)[1] : DOMAIN_OF.exec(text)?.[1];

/** The path of an address as a browser would ask for it; undefined where there is no address. */
function extractUrlPath(text) {
  const found = PATH_OF.exec(text.trim());
  if (found === null) return undefined;
  const steps = [];
  const written = found[1].split(/[\\/]/).slice(1);
  for (const [at, step] of written.entries()) {
    const isLast = at === written.length - 1;
    if (/^(?:\.|%2e){2}$/i.test(step)) steps.pop();
    if (!/^(?:\.|%2e){1,2}$/i.test(step)) steps.push(step);
    else if (isLast) steps.push("");
  }
  return `/${steps.join("/")}`.replace(/[^\x21-\x7e]|["<>^`{}]/gu, encodeURIComponent);
}

kit.methods.string = {
  base64Decode: (text) => kit.base64Decode(text),
  base64Encode: (text) => kit.base64Encode(text),
  extractDomain,
  extractEmail: (text) => FIRST_EMAIL.exec(text)?.[0],
  extractUrl: (text) => FIRST_URL.exec(text)?.[0],
  extractUrlPath,
  hash: (text, algorithm = "md5") => kit.hash(text, algorithm),
  isBlank: (text) => text.trim() === "",
  isDomain: (text) => IS_DOMAIN.test(text),
  isEmail,
  isEmpty: (text) => text === "",
  isNotBlank: (text) => text.trim() !== "",
  isNotEmpty: (text) => text !== "",
  isNumeric,
  isUrl: (text) => IS_URL.test(text),
  length: (text) => text.length,
  parseJson,
  quote,
  removeMarkdown,
  removeTags,
  replaceSpecialChars,
  toBoolean: (text) => !FALSE_WORDS.has(text.toLowerCase()),
  toDate: (text) => kit.parseDate(text),
  toDateTime: (text, format) => kit.parseDateTime(text, format),
  toDecimalNumber: toFloat,
  toFloat,
  toInt,
  toJsonString: (text) => JSON.stringify(text),
  toNumber,
  toSentenceCase,
  toSnakeCase: (text) =>
    text.toLowerCase().replace(/[ -]/g, "_").replace(/[\u2000-\u206f\u2e00-\u2e7f!-,./:-@[-^`{-~]/gu, ""),
  toTitleCase,
  toWholeNumber: toInt,
  urlDecode: (text, keepSyntax = false) => keepSyntax ? decodeURI(text) : decodeURIComponent(text),
  urlEncode: (text, keepSyntax = false) => keepSyntax ? encodeURI(text) : encodeURIComponent(text),
};
