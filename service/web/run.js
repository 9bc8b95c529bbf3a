// One answer from question to end: takes the server's events and keeps what they amount to.

import { ApiError } from "./api.js";

/** @returns {import("./types.js").Run} */
export function newRun(settings) {
  return {
    id: "", settings, state: "waiting", text: "", found: true, sources: [], citations: [], chunks: [], answer: null,
    error: null, feedback: { vote: null, comment: "", passages: {} },
  };
}

export const isRunning = (run) => run.state === "waiting" || run.state === "writing";

/** A stored run that was under way when the page went away. */
export function markInterrupted(run) {
  if (isRunning(run)) Object.assign(run, { state: "broken", error: "The page was left before the answer was complete." });
}

/**
 * Runs to the end. Throws ApiError only when nothing has come yet (the run is "failed" then and may be tried again);
 * after that a failure is a state of the run, beside what came before it.
 * @param {import("./types.js").Run} run
 * @param {(run: import("./types.js").Run) => void} onChange
 */
export async function execute(api, question, run, signal, onChange) {
  Object.assign(run, { state: "waiting", error: null });
  onChange(run);
  try {
    for await (const { event, data } of api.answer(question, run.settings, signal)) {
      take(run, event, data);
      onChange(run);
    }
    if (isRunning(run)) throw new ApiError("The server went away before the answer was complete.");
  } catch (error) {
    if (signal.aborted) run.state = "stopped";
    else Object.assign(run, { state: run.id === "" ? "failed" : "broken", error: error.message });
    if (run.state === "failed") throw error;
  } finally {
    onChange(run);
  }
}

function take(run, event, data) {
  switch (event) {
    case "sources":
      Object.assign(run, { id: data.id, sources: data.sources ?? [], found: data.found, state: "writing" });
      break;
    case "token":
      run.text += data.text;
      break;
    case "chunk":
      run.chunks = [...run.chunks.filter((chunk) => chunk.index !== data.index), data];
      break;
    case "answer":
      Object.assign(run, {
        id: data.id, text: data.text, found: data.found, sources: data.sources ?? [], citations: data.citations ?? [],
        chunks: data.chunks ?? [], answer: data, state: data.finish_reason === "cancelled" ? "stopped" : "done",
      });
      break;
    case "error":
      throw new ApiError(data.error?.message || "The server failed.", { status: 500, code: data.error?.code });
  }
}
