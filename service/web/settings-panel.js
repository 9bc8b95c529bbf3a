// The settings under the question: a line that sums them up, and the form behind it.

import { DEFAULTS, describe, settingsForm, valid } from "./settings.js";
import { Remembered } from "./store.js";

export class SettingsPanel {
  /** @param {HTMLElement} area  @param {HTMLButtonElement} toggle  @param {HTMLElement} summary */
  constructor(area, toggle, summary) {
    Object.assign(this, { area, toggle, summary });
    this.remembered = new Remembered("settings", DEFAULTS);
    this.modes = [this.remembered.get().mode];
    toggle.addEventListener("click", () => this.flip());
    this.#show();
  }

  /** With every value in its range, for this model. @returns {import("./types.js").Settings} */
  get() {
    return valid(this.remembered.get(), this.modes);
  }

  /** @param {string[]} modes  those that the model has */
  setModes(modes) {
    this.modes = modes;
    this.#show();
  }

  flip() {
    this.area.hidden = !this.area.hidden;
    this.toggle.setAttribute("aria-expanded", String(!this.area.hidden));
    this.#show();
  }

  #show() {
    this.summary.textContent = describe(this.get());
    if (this.area.hidden) return;
    this.area.replaceChildren(settingsForm(this.get(), this.modes, (settings) => {
      this.remembered.set(settings);
      this.summary.textContent = describe(settings);
    }));
  }
}
