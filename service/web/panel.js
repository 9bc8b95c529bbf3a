// The passage behind a number: whole, with the sentence marked, where it is from, and what stands around it.

import { markedText } from "./cited-text.js";
import { button, h, hidden, icon } from "./dom.js";
import { Drawer } from "./drawer.js";
import { copyText } from "./export.js";
import { passageVote } from "./feedback.js";
import { cosine, origin, percent, webAddress } from "./format.js";

const CONTEXT_STEP = 2, MAX_CONTEXT = 20;

export class PassagePanel {
  /** @param {HTMLDialogElement} dialog  with its head as index.html has it */
  constructor(dialog, { api, notices, save }) {
    Object.assign(this, { api, notices, save });
    this.body = dialog.querySelector(".drawer-body");
    this.label = dialog.querySelector("#panel-label");
    this.previous = dialog.querySelector("#panel-previous");
    this.next = dialog.querySelector("#panel-next");
    this.drawer = new Drawer(dialog, () => this.#closed());
    this.previous.addEventListener("click", () => this.step(-1));
    this.next.addEventListener("click", () => this.step(1));
    dialog.querySelector("#panel-close").addEventListener("click", () => this.close());
    this.shown = null;
  }

  /**
   * @param {object} what
   * @param {import("./types.js").Passage} what.passage
   * @param {import("./types.js").Passage[]} what.list  those that "previous" and "next" go through
   * @param {import("./answer-pane.js").AnswerPane} what.pane
   * @param {HTMLElement} what.opener
   */
  open({ passage, list, pane, opener }) {
    const number = opener.dataset.number;
    // The answer may have been drawn anew by the time that focus goes back.
    const findOpener = () => (opener.isConnected ? opener
      : pane.element.querySelector(number ? `.cite[data-number="${number}"]` : `[data-chunk="${CSS.escape(passage.chunk_id)}"]`));
    this.drawer.open(findOpener);
    this.#show(passage, list, pane);
    this.body.querySelector("h2").focus({ preventScroll: true });
  }

  close() {
    this.drawer.close();
  }

  step(by) {
    if (!this.shown) return;
    const { passage, list, pane } = this.shown;
    const other = list[list.indexOf(passage) + by];
    if (other) this.#show(other, list, pane);
  }

  /** Which buttons of the page stand for the passage that is open. */
  markOpeners() {
    const { passage, pane } = this.shown ?? {};
    for (const element of document.querySelectorAll("[aria-controls=passage-panel]")) {
      const isHere = pane?.element.contains(element) && passage !== undefined &&
        (element.dataset.number ? Number(element.dataset.number) === passage.number : element.dataset.chunk === passage.chunk_id);
      element.setAttribute("aria-expanded", String(Boolean(isHere)));
    }
  }

  #closed() {
    this.shown?.pane.markClaims(null);
    this.shown = null;
    this.markOpeners();
  }

  #show(passage, list, pane) {
    this.shown?.pane.markClaims(null);
    this.shown = { passage, list, pane };
    const index = list.indexOf(passage);
    this.label.textContent = passage.number ? `Source ${passage.number} of ${list.length}` : `Neighbour ${index + 1} of ${list.length}`;
    // Not `disabled`: that would throw focus off the button.
    this.previous.setAttribute("aria-disabled", String(index <= 0));
    this.next.setAttribute("aria-disabled", String(index >= list.length - 1));
    this.body.replaceChildren(...this.#content(passage, pane));
    this.#scrollToMark();
    pane.markClaims(passage.number ?? null);
    this.markOpeners();
  }

  /** To the top when the mark is in sight there, else with the mark a third of the way down. */
  #scrollToMark() {
    const mark = this.body.querySelector("mark");
    const isBelow = mark !== null && mark.offsetTop + mark.offsetHeight > this.body.clientHeight;
    this.body.scrollTop = isBelow ? mark.offsetTop - this.body.clientHeight / 3 : 0;
  }

  #content(passage, pane) {
    const text = h("blockquote", { class: "passage", dir: "auto" }, ...markedText(passage.text, passage.highlight));
    const context = new PassageContext(this.api, passage, this.body, text);
    const copy = button("Copy passage", async () => {
      const isCopied = await copyText(`“${passage.text.trim()}”\n${passage.title} (${origin(passage)}, ${passage.document_id}, token ${passage.position})`);
      this.notices.toast(isCopied ? "The passage is on the clipboard." : "This browser does not let the page copy.");
    }, { iconName: "copy" });
    return [
      h("h2", { id: "panel-title", tabindex: "-1", dir: "auto" }, passage.title || passage.document_id),
      address(passage),
      context.element,
      h("div", { class: "actions passage-actions" }, copy, pane.run.id !== "" && passageVote(this, pane.run, passage, this.save)),
      facts(passage),
    ];
  }
}

function address(passage) {
  const url = webAddress(passage.url);
  const name = origin(passage);
  return h("p", { class: "origin" },
    url ? h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, name, icon("outside"), hidden(" (opens a new tab)")) : name,
    passage.licence && ` · ${passage.licence}`);
}

function facts(passage) {
  const rows = [
    ["Similarity", typeof passage.score === "number" && cosine(passage.score), "Cosine with what was searched for"],
    ["Sentence", passage.sentence && cosine(passage.similarity), "Cosine of the marked sentence with the answer"],
    ["Support", passage.sentence && percent(passage.support), "Share of the answer’s words that the passage holds"],
    ["Position", `token ${passage.position}`, "Where it begins in its document"],
    ["Document", passage.document_id],
    ["Chunk", passage.chunk_id],
  ].filter(([, value]) => value);
  return h("dl", { class: "facts" }, ...rows.map(([name, value, hint]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, h("span", { class: "number" }, value), hint && h("span", { class: "hint" }, hint)))));
}

const onOneLine = (text) => text.replace(/\s+/g, " ").trim();

/** The passage with its neighbours in the document around it, as far as they were asked for. */
class PassageContext {
  constructor(api, passage, scroller, text) {
    Object.assign(this, { api, passage, scroller, text });
    this.before = h("div", { class: "around", hidden: true });
    this.after = h("div", { class: "around", hidden: true });
    this.numAround = 0;
    this.message = h("p", { class: "hint", role: "status" });
    this.more = button("Read what stands around it", () => this.#load(), { iconName: "around" });
    this.element = h("div", { class: "passage-context" }, this.before, text, this.after, h("div", { class: "actions" }, this.more), this.message);
  }

  async #load() {
    if (this.isLoading) return;
    this.isLoading = true;
    this.message.textContent = "Fetching…";
    try {
      const n = Math.min(MAX_CONTEXT, this.numAround + CONTEXT_STEP);
      const { chunks } = await this.api.chunksAround(this.passage, n);
      this.#show(chunks, n);
    } catch (error) {
      this.message.textContent = `What stands around it could not be fetched. ${error.message}`;
    } finally {
      this.isLoading = false;
    }
  }

  #show(chunks, n) {
    const here = chunks.findIndex((chunk) => chunk.chunk_id === this.passage.chunk_id);
    if (here < 0) {
      this.message.textContent = "The document has changed since: this passage is no longer in it.";
      return;
    }
    const top = this.text.offsetTop;
    // A passage may go on into the chunk after it: that one is on the page already.
    const isNew = (chunk) => !onOneLine(this.passage.text).includes(onOneLine(chunk.text));
    const before = chunks.slice(0, here).filter(isNew), after = chunks.slice(here + 1).filter(isNew);
    const paragraphs = (some) => some.map((chunk) => h("p", { dir: "auto", "data-chunk": chunk.chunk_id }, chunk.text));
    this.before.replaceChildren(...paragraphs(before));
    this.after.replaceChildren(...paragraphs(after));
    this.before.hidden = before.length === 0;
    this.after.hidden = after.length === 0;
    this.scroller.scrollTop += this.text.offsetTop - top;  // the passage stays where it is read
    const isWhole = here < n && chunks.length - 1 - here < n;
    this.numAround = n;
    this.message.textContent = isWhole ? "That is the whole document." : `${before.length} before, ${after.length} after.`;
    this.more.querySelector("span").textContent = "Read more";
    this.more.hidden = isWhole || n >= MAX_CONTEXT;
  }
}
