// An answer's text with its numbers as buttons: first as it streams in, then with the sentences that they belong to.

import { h } from "./dom.js";
import { indexOfCodePoint } from "./format.js";

const MARKER = / ?\[(\d{1,4})\]/g;
const MAYBE_MARKER = / ?(?:\[\d{0,4})?$/;  // at the end of what came so far

export class CitedText {
  /**
   * @param {HTMLElement} element  whose content it is
   * @param {(number: number, button: HTMLElement) => void} onCite
   */
  constructor(element, onCite) {
    this.element = element;
    this.onCite = onCite;
    this.shown = 0;
  }

  /** Appends what `text` has more than last time; what was shown stays as it is, so that a selection survives. */
  stream(text, sources) {
    const end = text.length - MAYBE_MARKER.exec(text)[0].length;
    if (end <= this.shown) return;
    this.#append(this.element, text.slice(this.shown, end), sources);
    this.shown = end;
  }

  /** Shows all of it anew, with the sentences marked that `citations` tells of. */
  finish(text, citations, sources) {
    const focused = [...this.element.querySelectorAll(".cite")].indexOf(document.activeElement);
    this.element.replaceChildren();
    let shown = 0;
    for (const { begin, end, sources: numbers } of [...citations].sort((a, b) => a.begin - b.begin)) {
      const from = Math.max(shown, indexOfCodePoint(text, begin)), to = Math.max(from, indexOfCodePoint(text, end));
      this.#append(this.element, text.slice(shown, from), sources);
      const claim = h("span", { class: "claim", "data-sources": numbers.join(" ") });
      this.#append(claim, text.slice(from, to), sources);
      this.element.append(claim);
      shown = to;
    }
    this.#append(this.element, text.slice(shown), sources);
    this.shown = text.length;
    if (focused >= 0) this.element.querySelectorAll(".cite")[focused]?.focus();
  }

  #append(parent, text, sources) {
    let shown = 0;
    for (const match of text.matchAll(MARKER)) {
      const source = sources.find((candidate) => candidate.number === Number(match[1]));
      if (!source) continue;  // not ours: part of the text
      appendText(parent, text.slice(shown, match.index));
      placeAtWord(parent, this.#button(source));
      shown = match.index + match[0].length;
    }
    appendText(parent, text.slice(shown));
  }

  #button({ number, title }) {
    const cite = h("button", { type: "button", class: "cite", "data-number": number, "aria-label": `${number}, source: ${title}`,
      "aria-expanded": "false", "aria-controls": "passage-panel", onclick: () => this.onCite(number, cite) }, String(number));
    return cite;
  }
}

function appendText(parent, text) {
  if (text === "") return;
  if (parent.lastChild instanceof Text) parent.lastChild.appendData(text);
  else parent.append(text);
}

/** Appends a number so that no line breaks between it and the word before it. */
function placeAtWord(parent, cite) {
  const last = parent.lastChild;
  if (last instanceof HTMLElement && last.className === "claim") return placeAtWord(last, cite);
  if (last instanceof HTMLElement && last.className === "keep") return last.append(cite);
  const word = last instanceof Text ? /(?<!\S)\S{1,24}$/u.exec(last.data)?.[0] ?? "" : "";
  if (word !== "") last.deleteData(last.length - word.length, word.length);
  parent.append(h("span", { class: "keep" }, word, cite));
}

/** Text with the span [begin, end), in code points, as a mark. */
export function markedText(text, highlight) {
  if (!highlight || highlight.end <= highlight.begin) return [text];
  const begin = indexOfCodePoint(text, highlight.begin), end = indexOfCodePoint(text, highlight.end);
  return [text.slice(0, begin), h("mark", {}, text.slice(begin, end)), text.slice(end)];
}
