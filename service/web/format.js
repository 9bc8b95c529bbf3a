// Numbers, times and texts as people read them.

const number = new Intl.NumberFormat("en");

export const count = (n, noun) => `${number.format(n)} ${noun}${n === 1 ? "" : "s"}`;
export const cosine = (score) => (typeof score === "number" ? score.toFixed(2) : "–");
export const percent = (share) => `${Math.round(100 * share)} %`;

export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** "14:05" today, "3 March" in this year, "3 March 2024" before. */
export function moment(time, now = Date.now()) {
  const date = new Date(time), today = new Date(now);
  if (date.toDateString() === today.toDateString()) return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const year = date.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year });
}

/** The first `length` characters without breaking one, on one line. */
export function excerpt(text, length) {
  const flat = text.slice(0, 4 * length).replace(/\s+/g, " ").trim();
  const characters = Array.from(flat);
  return characters.length <= length ? flat : `${characters.slice(0, length).join("").trimEnd()}…`;
}

/** A code point offset of the server as an index into a JavaScript string. */
export function indexOfCodePoint(text, offset) {
  let index = 0;
  for (let n = 0; n < offset && index < text.length; n++) index += text.codePointAt(index) > 0xffff ? 2 : 1;
  return index;
}

/** `url` when it leads to a web page: a document must not bring a javascript: link along. */
export function webAddress(url) {
  if (!url) return null;
  try {
    const parsed = new URL(url);
    return parsed.protocol === "https:" || parsed.protocol === "http:" ? parsed : null;
  } catch {
    return null;
  }
}

/** Where a passage comes from, in a word or two. */
export function origin(passage) {
  return passage.source || webAddress(passage.url)?.hostname || passage.document_id;
}
