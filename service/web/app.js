// The page's start and what holds its parts together: the question form, the entry that is shown, the history.

import { Announcer } from "./announcer.js";
import { Api } from "./api.js";
import { openDocumentForm } from "./documents.js";
import { Drawer } from "./drawer.js";
import { EntryView } from "./entry-view.js";
import { download, toJson } from "./export.js";
import { count } from "./format.js";
import { button } from "./dom.js";
import { HistoryView } from "./history.js";
import { Notices } from "./notices.js";
import { PassagePanel } from "./panel.js";
import { isRunning, markInterrupted, newRun } from "./run.js";
import { valid } from "./settings.js";
import { SettingsPanel } from "./settings-panel.js";
import { listen, openShortcutList } from "./shortcuts.js";
import { EntryStore, Remembered } from "./store.js";
import { ThemeSwitch } from "./theme-switch.js";

const SAVE_EVERY_MS = 500, READY_EVERY_MS = 2000, STOP_GUARD_MS = 400;

const byId = (id) => document.getElementById(id);

class Page {
  /** @param {EntryStore} store */
  constructor(store) {
    this.store = store;
    this.announcer = new Announcer(byId("announcements"));
    this.notices = new Notices(byId("notices"), byId("toasts"));
    const key = new Remembered("key", null, () => sessionStorage);
    this.api = new Api(key, (rejected, signal) => this.notices.askForKey(key, rejected, signal));
    this.model = null;
    this.settings = new SettingsPanel(byId("settings"), byId("settings-toggle"), byId("settings-summary"));
    this.compare = new Remembered("compare", false);
    this.theme = new ThemeSwitch(byId("theme-toggle"), (label) => this.announcer.say(label));
    this.historyOpen = new Remembered("history-open", false);
    this.singleKeys = new Remembered("single-keys", true);
    this.panel = new PassagePanel(byId("passage-panel"), { api: this.api, notices: this.notices, save: () => this.#save(this.view) });
    this.historyDrawer = new Drawer(byId("history"), () => this.#historyToggled(false));
    this.history = new HistoryView(byId("history"), {
      open: (entry) => this.#openFromHistory(entry.id),
      askAgain: (entry) => this.ask(entry.question),
      remove: (entry) => this.#remove(entry),
    });
    /** @type {?EntryView} */
    this.view = null;
    /** Those under way, shown or not. @type {Set<EntryView>} */
    this.running = new Set();
    this.shortcuts = this.#shortcuts();
  }

  async start() {
    this.#wire();
    if (!this.store.isLasting) this.notices.show("store", "This browser keeps nothing for this page: answers are gone when you leave it.");
    await this.#refreshHistory();
    if (this.historyOpen.get() && !this.historyDrawer.narrow.matches) this.#toggleHistory(false);
    await this.#route();
    await this.#loadModel();
  }

  /** @param {string} question  @param {import("./types.js").Settings} [settings] */
  async ask(question, settings = this.settings.get()) {
    this.view?.stop();
    const isPair = this.compare.get() && settings.mode !== "off";
    const runs = isPair ? [newRun(settings), newRun({ ...settings, mode: "off" })] : [newRun(settings)];
    this.startedAt = Date.now();
    const view = this.#show({ id: "", created: Date.now(), question, runs });
    if (this.historyDrawer.isModal) this.historyDrawer.close();
    scrollTo(0, 0);
    this.announcer.say("Asked.");
    await view.start();
  }

  #show(entry) {
    this.panel.close();
    const settingsNow = (change) => valid({ ...this.settings.get(), ...change }, this.settings.modes);
    let view = null;
    const isShown = () => view !== null && this.view === view;
    view = new EntryView(entry, {
      api: this.api, announcer: this.announcer, notices: this.notices, panel: this.panel, model: () => this.model,
      onChange: (pane) => this.#changed(view, pane),
      save: () => this.#save(view),
      askAgain: (change) => this.ask(entry.question, settingsNow(change)),
      compare: () => isShown() && view.add(newRun({ ...entry.runs[0].settings, mode: "off" })),
      remove: () => this.#remove(entry),
      addDocument: () => this.#openDocumentForm(),
    });
    this.view = view;
    this.#mount(view);
    return view;
  }

  #mount(view) {
    this.view = view;
    byId("entry").replaceChildren(...(view ? [view.element] : []));
    document.body.classList.toggle("is-empty", view === null);
    document.title = view ? `${view.entry.question} – retro` : "retro";
    this.#showBusy();
  }

  #changed(view, pane) {
    const { entry } = view;
    if (entry.id === "" && pane.run.id !== "") {
      entry.id = pane.run.id;
      if (view === this.view) history.pushState(null, "", `#/${encodeURIComponent(entry.id)}`);
      this.#save(view).then(() => this.#refreshHistory());
    } else if (!isRunning(pane.run)) {
      this.#save(view).then(() => this.#refreshHistory());
    } else if (pane.run.state === "writing" && !view.saveTimer) {
      view.saveTimer = setTimeout(() => this.#save(view), SAVE_EVERY_MS);
    }
    if (view.isBusy) this.running.add(view);
    else this.running.delete(view);
    this.#showBusy();
  }

  async #save(view) {
    clearTimeout(view.saveTimer);
    view.saveTimer = null;
    if (view.entry.id === "" || view.isDeleted) return;
    try {
      await this.store.put(view.entry);
    } catch (error) {
      this.notices.show("store", `The answer could not be kept in this browser (${error.name}). Delete some of the history, or export it.`);
    }
  }

  async #refreshHistory() {
    this.history.show(await this.store.all(), this.view?.entry.id ?? null);
    byId("history-actions").hidden = this.history.entries.length === 0;
  }

  #openFromHistory(id) {
    if (this.historyDrawer.isModal) this.historyDrawer.close();
    if (location.hash !== `#/${encodeURIComponent(id)}`) history.pushState(null, "", `#/${encodeURIComponent(id)}`);
    this.#route().then(() => byId("entry-question")?.focus({ preventScroll: true }));
  }

  /** Shows what the address names. */
  async #route() {
    const id = entryIdOf(location.hash);
    if (id === (this.view?.entry.id ?? "")) return;
    this.panel.close();
    const running = [...this.running].find((view) => view.entry.id === id);
    const entry = running || id === "" ? null : await this.store.get(id);
    if (running) this.#mount(running);
    else if (entry) {
      for (const run of entry.runs) markInterrupted(run);
      this.#show(entry);
    } else {
      this.#mount(null);
      if (id !== "") this.notices.show("route", "This answer is not in this browser’s history.");
    }
    if (running || entry) this.notices.close("route");
    scrollTo(0, 0);
    this.#refreshHistory();
  }

  async #remove(entry) {
    const view = [this.view, ...this.running].find((each) => each?.entry.id === entry.id);
    if (view) {
      view.isDeleted = true;
      view.stop();
    }
    await this.store.delete(entry.id);
    if (view && view === this.view) this.#startOver();
    await this.#refreshHistory();
    this.notices.toast("Deleted.", { label: "Undo", run: async () => {
      if (view) view.isDeleted = false;
      await this.store.put(entry);
      await this.#refreshHistory();
    } });
  }

  async #removeAll() {
    const entries = await this.store.all();
    for (const view of [this.view, ...this.running]) {
      if (view) view.isDeleted = true;
      view?.stop();
    }
    await this.store.clear();
    this.#startOver();
    this.notices.toast(`${count(entries.length, "question")} deleted.`, { label: "Undo", run: async () => {
      for (const entry of entries) await this.store.put(entry);
      await this.#refreshHistory();
    } });
  }

  #startOver() {
    this.panel.close();
    history.pushState(null, "", location.pathname + location.search);
    this.#mount(null);
    this.#refreshHistory();
    byId("question").focus();
  }

  async #loadModel() {
    try {
      this.model = await this.api.model();
      this.notices.close("server");
    } catch (error) {
      if (error.status === 503) {
        this.notices.show("server", `The server is not ready yet. ${error.message}`);
        setTimeout(() => this.#loadModel(), READY_EVERY_MS);
      } else {
        this.notices.show("server", error.message, button("Try again", () => this.#loadModel(), { iconName: "again" }));
      }
      return;
    }
    this.#showModel();
  }

  #showModel() {
    const { id, retrieval } = this.model;
    byId("database").textContent = retrieval ? `${count(retrieval.chunks, "passage")} · ${id}` : id;
    byId("headline").textContent = retrieval?.documents ? `Ask ${count(retrieval.documents, "document")}.` : "Ask.";
    byId("add-document").hidden = !retrieval?.writable;
    const modes = retrieval?.modes ?? ["off"];
    byId("compare-field").hidden = modes.length < 2;
    this.settings.setModes(modes);
  }

  #toggleHistory(byPerson = true) {
    if (this.historyDrawer.isOpen) return this.historyDrawer.close();
    this.historyDrawer.open(() => byId("history-toggle"));
    this.#historyToggled(true, byPerson);
    if (byPerson) byId("history-search").focus();
  }

  #historyToggled(isOpen, byPerson = true) {
    byId("history-toggle").setAttribute("aria-expanded", String(isOpen));
    if (byPerson && !this.historyDrawer.narrow.matches) this.historyOpen.set(isOpen);
  }

  #openDocumentForm() {
    const question = () => this.view?.entry.question ?? null;
    openDocumentForm(byId("document"), this.api, { question, askAgain: () => this.ask(question()), changed: () => this.#loadModel() });
  }

  #showBusy() {
    const isBusy = this.view?.isBusy ?? false;
    const submit = byId("submit");
    submit.classList.toggle("is-busy", isBusy);
    submit.querySelector("span").textContent = isBusy ? "Stop" : "Ask";
  }

  #submit() {
    const field = byId("question");
    const question = field.value.trim();
    if (question !== "") {
      field.value = "";
      if (matchMedia("(pointer: coarse)").matches) field.blur();  // the keyboard would cover the answer
      this.ask(question);
    } else if (this.view?.isBusy) {
      this.#stop();
    } else {
      field.focus();
    }
  }

  #stop() {
    if (Date.now() - this.startedAt > STOP_GUARD_MS) this.view?.stop();  // not by the second half of a double click
  }

  #wire() {
    const onClick = (id, action) => byId(id).addEventListener("click", action);
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter === byId("submit") && this.view?.isBusy && byId("question").value.trim() === "") this.#stop();
      else this.#submit();
    });
    byId("question").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (byId("question").value.trim() !== "") this.#submit();
    });
    byId("compare").checked = this.compare.get();
    byId("compare").addEventListener("change", () => this.compare.set(byId("compare").checked));
    onClick("home", (event) => {
      event.preventDefault();
      this.#startOver();
    });
    onClick("history-toggle", () => this.#toggleHistory());
    onClick("history-close", () => this.historyDrawer.close());
    onClick("shortcuts-toggle", () => openShortcutList(byId("shortcuts"), this.shortcuts, this.singleKeys));
    onClick("add-document", () => this.#openDocumentForm());
    onClick("delete-history", () => this.#removeAll());
    onClick("export-history", async () => download("retro-history.json", "application/json", toJson(await this.store.all())));
    addEventListener("popstate", () => this.#route());
    addEventListener("pagehide", () => this.running.forEach((view) => this.#save(view)));
    addEventListener("online", () => this.model || this.#loadModel());
    addEventListener("offline", () => this.notices.show("network", "The network is gone. Answers that you have stay readable."));
    addEventListener("online", () => this.notices.close("network"));
    document.addEventListener("click", (event) => {
      for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    });
    listen(this.shortcuts, this.singleKeys);
  }

  /** @returns {import("./shortcuts.js").Shortcut[]} */
  #shortcuts() {
    const openSource = (number) => {
      const page = this.view?.element;
      (page?.querySelector(`.cite[data-number="${number}"]`) ?? page?.querySelectorAll(".source")[number - 1])?.click();
    };
    return [
      { keys: ["/"], label: "Go to the question", single: true, run: () => byId("question").focus() },
      { keys: ["Enter"], label: "Ask (Shift and Enter: a new line)" },
      { keys: ["Escape"], label: "Close the panel, or stop the answer", run: () => (this.panel.drawer.isOpen ? this.panel.close() : this.#stop()) },
      { keys: [..."123456789"], shown: ["1", "…", "9"], label: "Open that source", single: true, run: openSource },
      { keys: ["[", "]"], label: "Source before, source after", single: true, run: (key) => this.panel.step(key === "[" ? -1 : 1) },
      { keys: ["h"], label: "History", single: true, run: () => this.#toggleHistory() },
      { keys: ["ArrowUp", "ArrowDown", "Delete"], shown: ["↑", "↓", "Del"], label: "In the history: move, delete" },
      { keys: ["s"], label: "Settings", single: true, run: () => this.settings.flip() },
      { keys: ["n"], label: "New question", single: true, run: () => this.#startOver() },
      { keys: ["t"], label: "Light, dark, or as the system", single: true, run: () => this.theme.next() },
      { keys: ["?"], label: "This list", single: true, run: () => openShortcutList(byId("shortcuts"), this.shortcuts, this.singleKeys) },
    ];
  }
}

function entryIdOf(hash) {
  try {
    return decodeURIComponent(hash.replace(/^#\/?/, ""));
  } catch {
    return hash;  // mistyped: names no entry
  }
}

new Page(await EntryStore.open()).start();
