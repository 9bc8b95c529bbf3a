// A question with its answers: one, or two side by side.

import { AnswerPane } from "./answer-pane.js";
import { button, h, icon } from "./dom.js";
import { copyText, download, fileName, toJson, toMarkdown } from "./export.js";
import { moment } from "./format.js";

export class EntryView {
  /**
   * @param {import("./types.js").Entry} entry
   * @param {import("./answer-pane.js").PaneContext & {compare: () => void, remove: () => void}} context
   */
  constructor(entry, context) {
    this.entry = entry;
    this.context = context;
    this.panes = [];
    this.paneList = h("div", { class: "panes" });
    this.actions = h("div", { class: "actions entry-actions" });
    this.element = h("article", { class: "entry", "aria-labelledby": "entry-question" },
      h("header", { class: "entry-head" },
        h("p", { class: "hint" }, h("time", { datetime: new Date(entry.created).toISOString() }, moment(entry.created))),
        h("h2", { id: "entry-question", dir: "auto", tabindex: "-1" }, entry.question), this.actions),
      this.paneList);
    for (const run of entry.runs) this.#addPane(run);
    this.#updateActions();
  }

  get isBusy() {
    return this.panes.some((pane) => pane.isBusy);
  }

  start() {
    return Promise.all(this.panes.map((pane) => pane.start()));
  }

  stop() {
    for (const pane of this.panes) pane.stop();
  }

  /** Another answer to the same question beside the first. */
  async add(run) {
    this.entry.runs.push(run);
    const pane = this.#addPane(run);
    this.#updateActions();
    pane.element.scrollIntoView({ block: "nearest" });
    await pane.start();
  }

  #addPane(run) {
    const pane = new AnswerPane(this.entry.question, run, { ...this.context, onChange: (changed) => this.#changed(changed) });
    this.panes.push(pane);
    this.paneList.append(pane.element);
    this.paneList.classList.toggle("is-pair", this.panes.length > 1);
    return pane;
  }

  #changed(pane) {
    if (!this.panes.includes(pane)) return;  // still being made
    this.#updateActions();
    this.context.onChange(pane);
  }

  // Built anew only when what they are has changed: one of them may have focus.
  #updateActions() {
    const { entry, context } = this;
    const canCompare = entry.runs.length === 1 && entry.runs[0].settings.mode !== "off" && !this.isBusy;
    const isStored = entry.id !== "";
    const state = `${canCompare} ${isStored}`;
    if (state === this.shownActions) return;
    this.shownActions = state;
    this.actions.replaceChildren(...[
      button("Ask again", () => context.askAgain({}), { iconName: "again" }),
      canCompare && button("Compare with retrieval off", context.compare, { iconName: "theme" }),
      isStored && exportMenu(entry, context.notices),
      isStored && button("Delete", context.remove, { iconName: "trash" }),
    ].filter(Boolean));
  }
}

function exportMenu(entry, notices) {
  const name = fileName(entry.question);
  const menu = h("details", { class: "menu", onkeydown: (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  } }, h("summary", { class: "button" }, icon("save"), "Export"), h("div", { class: "menu-items" },
    button("Markdown", () => download(`${name}.md`, "text/markdown", toMarkdown(entry)), { iconName: "save" }),
    button("JSON", () => download(`${name}.json`, "application/json", toJson([entry])), { iconName: "save" }),
    button("Copy as Markdown", async () => {
      notices.toast(await copyText(toMarkdown(entry)) ? "The answer and its sources are on the clipboard." : "This browser does not let the page copy.");
    }, { iconName: "copy" })));
  return menu;
}
