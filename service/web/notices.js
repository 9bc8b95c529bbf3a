// Messages about the page as a whole: what went wrong and what can be done, and "deleted" with its undo.

import { button, h, hidden, icon, iconButton } from "./dom.js";

const TOAST_MS = 8000;

export class Notices {
  /** @param {HTMLElement} area  @param {HTMLElement} toasts  with role="status" */
  constructor(area, toasts) {
    this.area = area;
    this.toasts = toasts;
    /** @type {Map<string, HTMLElement>} */
    this.shown = new Map();
  }

  /** Stays until closed; one with the same name replaces it. `actions` are elements. */
  show(name, text, ...actions) {
    if (this.shown.get(name)?.dataset.text === text) return;  // not to be heard twice
    this.close(name);
    const notice = h("div", { class: "notice", role: "alert", "data-text": text }, icon("alert"), h("p", {}, text),
      h("div", { class: "notice-actions" }, ...actions, iconButton("close", "Dismiss", () => this.close(name))));
    this.shown.set(name, notice);
    this.#place(notice);
  }

  close(name) {
    this.shown.get(name)?.remove();
    this.shown.delete(name);
  }

  #place(notice) {
    const modal = document.querySelector("dialog:modal");
    if (modal) (modal.querySelector(".drawer-body") ?? modal).prepend(notice);
    else this.area.append(notice);
  }

  /** Goes away by itself. */
  toast(text, action = null) {
    const toast = h("div", { class: "toast" }, h("p", {}, text));
    if (action) toast.append(button(action.label, () => { toast.remove(); action.run(); }));
    (document.querySelector("dialog:modal") ?? document.body).append(this.toasts);  // what is outside of a modal is inert
    this.toasts.replaceChildren(toast);
    let timer = setTimeout(() => toast.remove(), TOAST_MS);
    // Not while someone is about to press it.
    toast.addEventListener("focusin", () => clearTimeout(timer));
    toast.addEventListener("pointerenter", () => clearTimeout(timer));
    toast.addEventListener("pointerleave", () => { timer = setTimeout(() => toast.remove(), TOAST_MS); });
  }

  /**
   * Asks for the API key; resolves when one was given and rejects when the signal aborts.
   * @param {boolean} rejected  the last one was refused
   */
  askForKey(key, rejected, signal) {
    if (!this.keyGiven) {
      const input = h("input", { type: "password", id: "api-key", autocomplete: "off", spellcheck: "false", required: true, pattern: "[!-~]+" });
      const promise = new Promise((resolve) => {
        const form = h("form", { class: "notice key-notice", "aria-labelledby": "api-key-title", onsubmit: (event) => {
          event.preventDefault();
          key.set(input.value.trim());
          form.remove();
          this.keyGiven = null;
          resolve();
        } },
        icon("key"), h("div", {}, h("h2", { id: "api-key-title" }, rejected ? "That key was not accepted" : "This server asks for a key"),
          h("p", { class: "hint" }, "It is kept until this tab is closed, and is sent to this server alone.")),
        h("div", { class: "notice-actions" }, h("label", { for: "api-key" }, hidden("API key")), input,
          h("button", { class: "button primary" }, "Use key")));
        this.#place(form);
        input.focus();
      });
      this.keyGiven = promise;
    }
    if (!signal) return this.keyGiven;
    const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    return Promise.race([this.keyGiven, aborted]);
  }
}
