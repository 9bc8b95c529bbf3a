// A panel at the page's side where there is room, a modal sheet where there is none. Escape closes it, and focus goes
// back to where it came from.

export const NARROW = "(max-width: 67.99rem)";

export class Drawer {
  /** @param {HTMLDialogElement} dialog  @param {() => void} [onClose] */
  constructor(dialog, onClose = () => {}) {
    this.dialog = dialog;
    this.onClose = onClose;
    this.narrow = matchMedia(NARROW);
    this.narrow.addEventListener("change", () => {
      if (!this.isOpen) return;
      this.dialog.close();
      this.#show();
    });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.close();
    });
    dialog.addEventListener("pointerdown", (event) => {
      if (event.target === dialog && this.isModal) this.close();  // the backdrop
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  get isModal() {
    return this.dialog.matches(":modal");
  }

  /** @param {?() => ?HTMLElement} opener  gets focus when the drawer closes */
  open(opener = null) {
    this.opener = opener;
    if (!this.isOpen) this.#show();
  }

  close() {
    if (!this.isOpen) return;
    this.dialog.close();
    this.onClose();
    this.opener?.()?.focus();
  }

  #show() {
    if (this.narrow.matches) this.dialog.showModal();
    else this.dialog.setAttribute("open", "");  // show() would move focus
  }
}
