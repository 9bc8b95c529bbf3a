// What was asked before: search, open, ask again, delete. Arrow keys move through the list.

import { h, iconButton } from "./dom.js";
import { count, excerpt, moment } from "./format.js";

/** @typedef {import("./types.js").Entry} Entry */

export class HistoryView {
  /**
   * @param {HTMLElement} root  with the search field and the list as index.html has them
   * @param {{open: (entry: Entry) => void, askAgain: (entry: Entry) => void, remove: (entry: Entry) => void}} actions
   */
  constructor(root, actions) {
    this.actions = actions;
    this.search = root.querySelector("#history-search");
    this.list = root.querySelector("#history-list");
    this.summary = root.querySelector("#history-summary");
    this.entries = [];
    this.currentId = null;
    this.search.addEventListener("input", () => this.#render());
    this.list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** @param {Entry[]} entries  newest first */
  show(entries, currentId) {
    this.entries = entries;
    this.currentId = currentId;
    this.#render();
  }

  #render() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.entries.filter((entry) => {
      const text = [entry.question, ...entry.runs.map((run) => run.text)].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const focused = this.list.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.id : null;
    this.list.replaceChildren(...found.map((entry) => this.#item(entry)));
    this.summary.textContent = this.entries.length === 0 ? "What you ask is kept here, in this browser alone."
      : words.length > 0 ? `${found.length} of ${count(this.entries.length, "question")}` : count(this.entries.length, "question");
    const items = [...this.list.children];
    this.#rove(items.find((item) => item.dataset.id === (focused ?? this.currentId)) ?? items[0], focused !== null);
  }

  #item(entry) {
    const isCurrent = entry.id === this.currentId;
    const [first] = entry.runs;
    const details = [moment(entry.created), entry.runs.length > 1 && "side by side", !first.found && "not found",
      first.state === "broken" && "broken off", first.state === "stopped" && "stopped", first.settings.mode === "off" && entry.runs.length === 1 && "from memory"];
    const open = h("button", { type: "button", class: "history-open", "aria-current": isCurrent ? "page" : null, onclick: () => this.actions.open(entry) },
      h("span", { class: "history-question", dir: "auto" }, excerpt(entry.question, 120)),
      h("span", { class: "hint" }, details.filter(Boolean).join(" · ")));
    return h("li", { class: "history-item", "data-id": entry.id }, open,
      iconButton("again", `Ask again: ${excerpt(entry.question, 60)}`, () => this.actions.askAgain(entry)),
      iconButton("trash", `Delete: ${excerpt(entry.question, 60)}`, () => this.#remove(entry)));
  }

  /** Only one item is in the tab order. */
  #rove(item, focus) {
    for (const other of this.list.children) {
      for (const each of other.querySelectorAll("button")) each.tabIndex = other === item ? 0 : -1;
    }
    if (focus) item?.querySelector("button").focus();
  }

  #remove(entry) {
    const item = this.list.querySelector(`[data-id="${CSS.escape(entry.id)}"]`);
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    if (next) this.#rove(next, true);
    else this.search.focus();
    this.actions.remove(entry);
  }

  #onKey(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const items = [...this.list.children], here = items.indexOf(item);
    const targets = { ArrowDown: items[here + 1], ArrowUp: items[here - 1], Home: items[0], End: items.at(-1) };
    if (event.key in targets) {
      event.preventDefault();
      if (targets[event.key]) this.#rove(targets[event.key], true);
    } else if (event.key === "Delete") {
      event.preventDefault();
      this.#remove(this.entries.find((entry) => entry.id === item.dataset.id));
    }
  }
}
