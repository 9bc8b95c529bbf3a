// Server-sent events out of a fetch response (WHATWG HTML, section 9.2.6). EventSource can neither post nor carry a key.

/** @typedef {{event: string, data: string}} ServerEvent */

/** Takes text in any pieces and gives the events that are complete. */
export class SseParser {
  #rest = "";
  #event = "";
  #data = [];

  /** @param {string} piece @returns {ServerEvent[]} */
  push(piece) {
    const events = [];
    this.#rest += piece;
    // A carriage return at the very end may be half of a line end.
    for (let match; (match = /\r\n|\n|\r(?!$)/.exec(this.#rest)); ) {
      const line = this.#rest.slice(0, match.index);
      this.#rest = this.#rest.slice(match.index + match[0].length);
      const event = this.#line(line);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line) {
    if (line === "") {
      const event = { event: this.#event || "message", data: this.#data.join("\n") };
      const isThere = this.#data.length > 0;
      this.#event = "";
      this.#data = [];
      return isThere ? event : null;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;  // comments (": ping"), ids and retry times mean nothing here
  }
}

/** No byte for so long: the connection is dead, though nobody said so. The server pings every 15 s. */
export const STALL_MS = 45_000;

export class StalledError extends Error {}

/**
 * The events of a response as they come. UTF-8 sequences may be cut anywhere.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* readEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const { value, done } = await readOrStall(reader);
      yield* parser.push(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function readOrStall(reader) {
  let timer;
  const stalled = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new StalledError("stalled")), STALL_MS);
  });
  try {
    return await Promise.race([reader.read(), stalled]);
  } finally {
    clearTimeout(timer);
  }
}
