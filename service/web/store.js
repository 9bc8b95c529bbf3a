// What the browser remembers: answers with their sources in IndexedDB, small choices in localStorage, the key in
// sessionStorage. Where storage is forbidden everything works until the page is left.

const ENTRIES = "entries";

/** @typedef {import("./types.js").Entry} Entry */

export class EntryStore {
  /** @param {?IDBDatabase} database  null: in memory */
  constructor(database) {
    this.database = database;
    /** @type {Map<string, Entry>} */
    this.memory = new Map();
  }

  static async open() {
    try {
      const request = indexedDB.open("retro", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(ENTRIES, { keyPath: "id" });
      return new EntryStore(await result(request));
    } catch {
      return new EntryStore(null);
    }
  }

  get isLasting() {
    return this.database !== null;
  }

  /** @param {Entry} entry */
  async put(entry) {
    if (this.database) await result(this.#entries("readwrite").put(entry));
    else this.memory.set(entry.id, structuredClone(entry));
  }

  /** @returns {Promise<?Entry>} */
  async get(id) {
    return (this.database ? await result(this.#entries("readonly").get(id)) : this.memory.get(id)) ?? null;
  }

  async delete(id) {
    if (this.database) await result(this.#entries("readwrite").delete(id));
    else this.memory.delete(id);
  }

  async clear() {
    if (this.database) await result(this.#entries("readwrite").clear());
    else this.memory.clear();
  }

  /** @returns {Promise<Entry[]>} newest first */
  async all() {
    const entries = this.database ? await result(this.#entries("readonly").getAll()) : [...this.memory.values()];
    return entries.sort((a, b) => b.created - a.created);
  }

  #entries(mode) {
    return this.database.transaction(ENTRIES, mode).objectStore(ENTRIES);
  }
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A JSON value under a name; `fallback` when there is none or the browser keeps nothing. */
export class Remembered {
  constructor(name, fallback, storage = () => localStorage) {
    this.name = `retro.${name}`;
    this.storage = storage;
    this.value = fallback;
    try {
      const text = storage().getItem(this.name);
      if (text !== null) this.value = JSON.parse(text);
    } catch {
      // Forbidden, or not ours.
    }
  }

  get() {
    return this.value;
  }

  set(value) {
    this.value = value;
    try {
      this.storage().setItem(this.name, JSON.stringify(value));
    } catch {
      // Kept until the page is left.
    }
  }
}
