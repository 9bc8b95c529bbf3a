// One answer on the page: follows its run from the first byte to the end and offers what can be done about it.

import { SpokenText } from "./announcer.js";
import { CitedText } from "./cited-text.js";
import { button, h, icon, newId } from "./dom.js";
import { copyText } from "./export.js";
import { answerVote } from "./feedback.js";
import { cosine, count, duration } from "./format.js";
import { execute, isRunning } from "./run.js";
import { MODES } from "./settings.js";
import { chunkView, sourceList } from "./source-list.js";

const MAX_AUTOMATIC_RETRIES = 5;

/**
 * @typedef {object} PaneContext
 * @property {import("./api.js").Api} api
 * @property {import("./announcer.js").Announcer} announcer
 * @property {import("./notices.js").Notices} notices
 * @property {import("./panel.js").PassagePanel} panel
 * @property {() => ?import("./types.js").ModelInfo} model
 * @property {(pane: AnswerPane) => void} onChange  the run has changed
 * @property {() => void} save
 * @property {(settings: Partial<import("./types.js").Settings>) => void} askAgain
 * @property {() => void} addDocument
 */

export class AnswerPane {
  /**
   * @param {string} question
   * @param {import("./types.js").Run} run
   * @param {PaneContext} context
   */
  constructor(question, run, context) {
    this.question = question;
    this.run = run;
    this.context = context;
    this.tries = 0;
    this.countdown = null;
    const id = newId("pane");
    this.title = h("h3", { id }, MODES[run.settings.mode]);
    this.status = h("p", { class: "status" });
    this.textElement = h("div", { class: "answer-text", dir: "auto" });
    this.text = new CitedText(this.textElement, (number, opener) => this.#openSource(number, opener));
    this.outcome = h("div", { class: "outcome" });
    this.actions = h("div", { class: "pane-actions" });
    this.sources = h("div", {});
    this.chunks = h("div", {});
    this.element = h("section", { class: "pane", "aria-labelledby": id, "data-mode": run.settings.mode },
      h("header", { class: "pane-head" }, this.title, this.status),
      this.textElement, this.outcome, this.actions, this.sources, this.chunks);
    this.spoken = new SpokenText(context.announcer);
    this.update();
  }

  get isBusy() {
    return isRunning(this.run) || this.countdown !== null;
  }

  /** Asks the server. Ends when the answer has, whichever way; a server that is busy is asked again later. */
  async start() {
    this.#stopCountdown();
    this.abort = new AbortController();
    this.spoken = new SpokenText(this.context.announcer);
    this.outcome.replaceChildren();
    try {
      await execute(this.context.api, this.question, this.run, this.abort.signal, () => this.update());
    } catch (error) {
      this.#offerRetry(error);
      this.context.onChange(this);
    }
  }

  stop() {
    this.abort?.abort();
    if (this.countdown === null) return;
    this.#stopCountdown();
    this.run.state = "stopped";
    this.update();
  }

  /** Shows what the run is now. */
  update() {
    const { run } = this;
    this.element.dataset.state = run.state;
    this.element.classList.toggle("is-not-found", !run.found);
    this.textElement.setAttribute("aria-busy", String(isRunning(run)));
    this.status.textContent = this.#statusText();
    if (isRunning(run)) {
      this.text.stream(run.text, run.sources);
      this.spoken.update(run.text);
    } else if (this.shownState !== run.state) {
      this.#finish();
    }
    this.#updateList("sources", run.sources, sourceList);
    this.#updateList("chunks", run.chunks, chunkView);
    if (run.state === "writing" && this.shownState !== "writing") this.#announceSources();
    this.shownState = run.state;
    this.context.onChange(this);
  }

  /** Marks the sentences that rest on this source; null: none. */
  markClaims(number) {
    for (const claim of this.textElement.querySelectorAll(".claim")) {
      claim.classList.toggle("is-marked", number !== null && claim.dataset.sources.split(" ").includes(String(number)));
    }
  }

  #finish() {
    const { run } = this;
    this.text.finish(run.text, run.citations, run.sources);
    if (this.shownState !== undefined) this.#announceEnd();
    this.outcome.replaceChildren(...this.#outcomes());
    this.actions.replaceChildren();
    if (run.text !== "" && run.found) this.actions.append(this.#copyButton());
    if (run.id !== "") {
      const { votes, form } = answerVote(this.context, run, this.context.save);
      this.actions.append(votes, form);
    }
  }

  // Built anew only when the run has new ones: a button in it may have focus.
  #updateList(name, items, build) {
    const isEnd = !isRunning(this.run) && this.shownState !== this.run.state;
    if (this[name].shown === items && !isEnd) return;
    this[name].shown = items;
    const focused = this[name].contains(document.activeElement) ? document.activeElement.dataset.chunk : null;
    const list = build(this.run, (passage, all, opener) => this.context.panel.open({ passage, list: all, pane: this, opener }));
    this[name].replaceChildren(...(list ? [list] : []));
    if (focused) this[name].querySelector(`[data-chunk="${CSS.escape(focused)}"]`)?.focus();
    this.context.panel.markOpeners();
  }

  #openSource(number, opener) {
    const passage = this.run.sources.find((source) => source.number === number);
    this.context.panel.open({ passage, list: this.run.sources, pane: this, opener });
  }

  #statusText() {
    const { run, context } = this;
    const reads = run.settings.mode !== "off";
    if (run.state === "waiting") return reads && context.model() ? `Searching ${count(context.model().retrieval.chunks, "passage")}…` : "Waiting for the model…";
    if (run.state === "writing") return run.sources.length > 0 && run.found ? `Writing from ${count(run.sources.length, "passage")}…` : "Writing…";
    if (run.state !== "done" || !run.answer) return "";
    const { timing_ms: timing, usage } = run.answer;
    const parts = [];
    if (timing) parts.push(duration(timing.total));
    if (timing && reads) parts.push(`${duration(timing.retrieve)} of it searching`);
    if (usage) parts.push(count(usage.completion_tokens, "token"));
    return parts.join(" · ");
  }

  #outcomes() {
    const { run, context } = this;
    const again = (label, change = {}) => button(label, () => context.askAgain(change), { iconName: "again" });
    if (run.state === "stopped") return [banner("stop", run.text ? "Stopped here. What had come is kept." : "Stopped before anything came.", again("Ask again"))];
    if (run.state === "broken") return [banner("alert", `${run.text ? "The answer breaks off here. " : ""}${run.error}`, again("Ask again"))];
    if (run.state === "failed") return [banner("alert", run.error ?? "No answer came.", again("Ask again"))];
    if (!run.found) return [this.#notFound(again)];
    const outcomes = [];
    if (run.answer?.finish_reason === "length") {
      const longer = Math.min(4096, 2 * run.settings.max_tokens);
      outcomes.push(banner("cut", `Cut off at ${count(run.settings.max_tokens, "token")}.`, again(`Ask for up to ${longer}`, { max_tokens: longer })));
    }
    if (run.text !== "" && run.sources.length > 0 && !run.sources.some((source) => source.cited)) {
      outcomes.push(h("p", { class: "hint unsupported" }, "No passage supports these words. They may be the model’s own."));
    }
    return outcomes;
  }

  #notFound(again) {
    const { run, context } = this;
    const best = Math.max(...run.sources.map((source) => source.score));
    const reason = run.sources.length > 0
      ? `The nearest passage has a similarity of ${cosine(best)}; ${cosine(run.settings.threshold)} is asked for.` : "No passage is near the question.";
    const actions = [again("Answer from memory", { mode: "off" })];
    if (context.model()?.retrieval?.writable) actions.push(button("Add a document", context.addDocument, { iconName: "plus" }));
    return h("div", { class: "not-found" }, h("p", { class: "not-found-title" }, "Not in the database"),
      run.text && h("p", { class: "not-found-text", dir: "auto" }, run.text), h("p", { class: "hint" }, reason),
      h("div", { class: "actions" }, ...actions));
  }

  #offerRetry(error) {
    const now = button("Try again now", () => this.start(), { iconName: "again" });
    if (error.retryAfter === null || this.tries >= MAX_AUTOMATIC_RETRIES) {
      this.outcome.replaceChildren(banner("alert", error.message, button("Try again", () => this.start(), { iconName: "again" })));
      return;
    }
    this.tries++;
    const clock = h("span", { class: "number" });
    let left = error.retryAfter;
    const tick = () => {
      clock.textContent = duration(1000 * left);
      if (left-- <= 0) this.start();
    };
    tick();
    this.countdown = setInterval(tick, 1000);
    this.outcome.replaceChildren(banner("clock", h("span", {}, `${error.message} Trying again in `, clock, "."), now,
      button("Leave it", () => this.stop())));
    this.context.announcer.say(`Trying again in ${error.retryAfter} seconds.`);
  }

  #stopCountdown() {
    clearInterval(this.countdown);
    this.countdown = null;
  }

  #copyButton() {
    return button("Copy", async () => {
      const isCopied = await copyText(this.run.text);
      this.context.notices.toast(isCopied ? "The answer is on the clipboard." : "This browser does not let the page copy.");
    }, { iconName: "copy" });
  }

  #announceSources() {
    const { run, context } = this;
    if (run.settings.mode !== "off") context.announcer.say(run.found ? `${count(run.sources.length, "source")} found.` : "Not in the database.");
  }

  #announceEnd() {
    const { run, context } = this;
    this.spoken.finish(run.text);
    const cited = run.sources.filter((source) => source.cited).length;
    const ends = { done: run.found ? `Answer complete, ${count(cited, "source")} cited.` : "End of answer.", stopped: "Stopped.", broken: `The answer broke off. ${run.error}` };
    context.announcer.say(ends[run.state] ?? run.error ?? "");
  }
}

function banner(iconName, text, ...actions) {
  return h("div", { class: "banner" }, icon(iconName), h("p", {}, text), h("div", { class: "actions" }, ...actions));
}

