// The keys, and the list of them. Single letters can be switched off (WCAG 2.1.4).

import { button, h, isTyping } from "./dom.js";

/** @typedef {{keys: string[], label: string, run?: (key: string) => void, single?: boolean}} Shortcut */

/**
 * @param {Shortcut[]} shortcuts  without `run`: told of only, handled elsewhere
 * @param {import("./store.js").Remembered} areOn
 */
export function listen(shortcuts, areOn) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog.plain[open]")) return;
    const shortcut = shortcuts.find((each) => each.run && each.keys.includes(event.key));
    if (!shortcut) return;
    if (shortcut.single && (isTyping(event) || !areOn.get())) return;
    if (shortcut.single) event.preventDefault();
    shortcut.run(event.key);
  });
}

/** @param {HTMLDialogElement} dialog */
export function openShortcutList(dialog, shortcuts, areOn) {
  const toggle = h("input", { type: "checkbox", id: "single-keys", checked: areOn.get(), onchange: () => areOn.set(toggle.checked) });
  const names = { " ": "Space", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
  const rows = shortcuts.map(({ keys, label, shown }) => h("div", {},
    h("dt", {}, ...(shown ?? keys).map((key) => h("kbd", {}, names[key] ?? key))), h("dd", {}, label)));
  dialog.replaceChildren(h("h2", { id: "shortcuts-title", tabindex: "-1" }, "Keys"),
    h("dl", { class: "shortcut-list" }, ...rows),
    h("p", { class: "check" }, toggle, h("label", { for: "single-keys" }, "Single letters and digits act")),
    h("div", { class: "actions" }, button("Close", () => dialog.close())));
  dialog.showModal();
}
