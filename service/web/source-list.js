// The passages under an answer, numbered as its text numbers them, and the neighbours of its chunks.

import { h, hidden, newId } from "./dom.js";
import { cosine, count, excerpt, origin } from "./format.js";

/** @typedef {(passage: import("./types.js").Passage, list: import("./types.js").Passage[], opener: HTMLElement) => void} OpenPassage */

/** How near, as a short bar. The number stands beside it. */
function nearness(score) {
  const bar = h("span", { class: "nearness", "aria-hidden": "true" });
  bar.style.setProperty("--score", String(Math.max(0, Math.min(1, score ?? 0))));
  return bar;
}

function passageButton(passage, list, lead, open) {
  const element = h("button", { type: "button", class: "source", "aria-expanded": "false", "aria-controls": "passage-panel",
    "data-chunk": passage.chunk_id, onclick: () => open(passage, list, element) },
  lead,
  h("span", { class: "source-body" },
    h("span", { class: "source-title", dir: "auto" }, passage.title || passage.document_id),
    h("span", { class: "source-meta" }, nearness(passage.score), hidden("similarity "), h("span", { class: "number" }, cosine(passage.score)),
      h("span", { class: "source-origin" }, origin(passage))),
    h("span", { class: "source-excerpt", dir: "auto" }, excerpt(passage.sentence || passage.text, 180))));
  return element;
}

/**
 * @param {import("./types.js").Run} run
 * @param {OpenPassage} open
 */
export function sourceList(run, open) {
  const { sources, found, state } = run;
  if (sources.length === 0) return null;
  const id = newId("sources");
  // Until the server has said what it cites, and where it never came to that: by the markers.
  const isCited = (source) => source.cited || run.text.includes(`[${source.number}]`);
  const numCited = sources.filter(isCited).length;
  const summary = state === "done" && found ? `${numCited} of ${sources.length} cited` : count(sources.length, "passage");
  const items = sources.map((source) => {
    const isSpare = !isCited(source);
    const lead = h("span", { class: "source-number" }, String(source.number));
    return h("li", { class: isSpare ? "is-spare" : null }, passageButton(source, sources, lead, open),
      isSpare && found && state === "done" && hidden("not cited"));
  });
  return h("section", { class: "sources", "aria-labelledby": id },
    h("div", { class: "section-head" }, h("h4", { id }, found ? "Sources" : "Nearest, but not near enough"),
      h("p", { class: "hint" }, summary)),
    h("ol", { class: "source-list" }, ...items));
}

/**
 * The neighbour view: what cross-attention read for each chunk of the answer.
 * @param {import("./types.js").Run} run
 * @param {OpenPassage} open
 */
export function chunkView(run, open) {
  if (run.chunks.length === 0) return null;
  const id = newId("chunks");
  const chunks = [...run.chunks].sort((a, b) => a.index - b.index);
  const isOver = run.state !== "writing";
  // Those of the prompt, but for its last one, feed nothing that is read here.
  const silent = isOver ? chunks.filter((chunk) => chunk.text === "") : [];
  const rows = chunks.filter((chunk) => !silent.includes(chunk)).map((chunk) => chunkRow(chunk, open));
  return h("section", { class: "chunks", "aria-labelledby": id },
    h("div", { class: "section-head" }, h("h4", { id }, "What fed each chunk"),
      h("p", { class: "hint" }, "Neighbours that the model attended to while it wrote. Used as evidence, which is less than proof.")),
    rows.length > 0 && h("ol", { class: "chunk-list" }, ...rows),
    silent.length > 0 && h("details", { class: "silent-chunks" },
      h("summary", {}, `${count(silent.length, "more chunk")}, of the prompt, that fed no text of the answer`),
      h("ol", { class: "chunk-list" }, ...silent.map((chunk) => chunkRow(chunk, open)))));
}

function chunkRow(chunk, open) {
  const neighbours = chunk.neighbours.map((passage, n) => h("li", {},
    passageButton(passage, chunk.neighbours, h("span", { class: "source-number plain" }, String.fromCharCode(0x61 + (n % 26))), open)));
  return h("li", { class: "chunk" },
    h("div", { class: "chunk-text" },
      h("p", { class: "chunk-range" }, h("strong", {}, `Chunk ${chunk.index + 1}`), ` up to token ${chunk.end}. Its neighbours fed:`),
      chunk.text ? h("p", { dir: "auto" }, chunk.text) : h("p", { class: "hint" }, "No text of the answer.")),
    h("ul", { class: "source-list", "aria-label": `Neighbours of chunk ${chunk.index + 1}` }, ...neighbours));
}
