// Light, dark, or as the system has it. theme.js puts the choice in force before the first paint.

import { Remembered } from "./store.js";

const LABELS = { system: "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };

export class ThemeSwitch {
  /** @param {HTMLButtonElement} button  @param {(label: string) => void} say */
  constructor(button, say) {
    this.button = button;
    this.say = say;
    this.theme = new Remembered("theme", "system");
    button.addEventListener("click", () => this.next());
    this.#show();
  }

  next() {
    const names = Object.keys(LABELS);
    this.theme.set(names[(names.indexOf(this.theme.get()) + 1) % names.length]);
    this.#show();
    this.say(this.button.title);
  }

  #show() {
    const theme = this.theme.get();
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.button.title = LABELS[theme] ?? LABELS.system;
    this.button.setAttribute("aria-label", this.button.title);
  }
}
