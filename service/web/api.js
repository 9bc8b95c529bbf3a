// The server's routes. Addresses are relative to the page, so that it works below any path of a reverse proxy.

import { readEvents, StalledError } from "./sse.js";

/** What went wrong, in words for the person who asked. `status` 0: no answer at all. */
export class ApiError extends Error {
  /** @param {string} message @param {{status?: number, retryAfter?: ?number, code?: ?string}} [details] */
  constructor(message, { status = 0, retryAfter = null, code = null } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.code = code;
  }
}

export class Api {
  /**
   * @param {{get: () => ?string}} key  where the API key is kept
   * @param {(rejected: boolean, signal: ?AbortSignal) => Promise<void>} askForKey  resolves once there is a new key
   */
  constructor(key, askForKey) {
    this.key = key;
    this.askForKey = askForKey;
  }

  /**
   * The model that answers questions: with its adapter where there is one.
   * @returns {Promise<import("./types.js").ModelInfo>}
   */
  async model() {
    const { data } = await this.#json("v1/models");
    if (!data?.length) throw new ApiError("The server serves no model.", { status: 200 });
    return data.find(({ parent }) => parent) ?? data[0];
  }

  /** @returns {Promise<{title: string, chunks: import("./types.js").Passage[]}>} */
  chunksAround(passage, n) {
    const query = new URLSearchParams({ around: passage.chunk_id, n: String(n) });
    return this.#json(`v1/documents/${encodeURIComponent(passage.document_id)}/chunks?${query}`);
  }

  sendFeedback(feedback) {
    return this.#json("v1/feedback", { method: "POST", body: feedback });
  }

  /** @returns {Promise<{added: number, replaced: number, generation: number}>} */
  addDocument(document) {
    return this.#json("v1/documents", { method: "POST", body: { documents: [document] } });
  }

  removeDocument(id) {
    return this.#json(`v1/documents/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /**
   * The events of one streamed answer, their data parsed.
   * @returns {AsyncGenerator<{event: string, data: any}>}
   */
  async *answer(question, settings, signal) {
    const { mode, k, nprobe, threshold, max_tokens, temperature, top_p, seed } = settings;
    const body = { question, retrieval: { mode, k, nprobe, threshold }, max_tokens, temperature, top_p, seed, stream: true };
    const response = await this.#fetch("v1/answer", { method: "POST", body, signal });
    try {
      for await (const { event, data } of readEvents(response.body)) yield { event, data: JSON.parse(data) };
    } catch (error) {
      if (signal?.aborted) throw error;
      if (error instanceof StalledError) throw new ApiError("The server has been silent for too long.");
      if (error instanceof SyntaxError) throw new ApiError("The server sent something that is no answer.");
      throw new ApiError("The connection was lost.");
    }
  }

  async #json(path, options = {}) {
    const response = await this.#fetch(path, options);
    try {
      return await response.json();
    } catch {
      throw new ApiError("The server sent something that is not JSON. Is another program answering here?", { status: response.status });
    }
  }

  async #fetch(path, { method = "GET", body, signal } = {}) {
    for (;;) {
      const key = this.key.get();
      const headers = { ...(body && { "Content-Type": "application/json" }), ...(key && { Authorization: `Bearer ${key}` }) };
      let response;
      try {
        response = await fetch(path, { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) });
      } catch (error) {
        if (signal?.aborted) throw error;
        throw new ApiError("The server cannot be reached. Is it running, and is the network there?");
      }
      if (response.ok) return response;
      if (response.status !== 401) throw await errorOf(response);
      await this.askForKey(key !== null && key === this.key.get(), signal);
    }
  }
}

async function errorOf(response) {
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
    // A proxy's page, or nothing.
  }
  const message = error?.message || `The server answered ${response.status} ${response.statusText}`.trim();
  return new ApiError(message, { status: response.status, code: error?.code, retryAfter: retryAfterOf(response) });
}

/** Seconds of Retry-After, which is a number or a date. */
function retryAfterOf(response) {
  const header = response.headers.get("Retry-After");
  if (header === null) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : null;
}
