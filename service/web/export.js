// An answer with its sources as Markdown and as JSON, to the clipboard or to a file.

import { cosine, webAddress } from "./format.js";
import { describe, MODES } from "./settings.js";

const STATES = { stopped: "Stopped before it was complete.", broken: "Broken off before it was complete.", failed: "No answer came." };

/** Text that Markdown takes for nothing but text. */
export function escapeMarkdown(text) {
  return text.replace(/[\\`*_{}[\]<>#|~&]/g, "\\$&").replace(/^(\s*\d*)([-+=.)])/gm, "$1\\$2");
}

const quote = (text) => escapeMarkdown(text.trim()).split(/\r\n|\r|\n/).map((line) => `> ${line}`.trimEnd()).join("\n");
const oneLine = (text) => escapeMarkdown(text.replace(/\s+/g, " ").trim());

function sourceToMarkdown(source) {
  const address = webAddress(source.url);
  const title = oneLine(source.title || source.document_id);
  const facts = [source.source, source.licence, `document \`${source.document_id.replace(/[`\s]/g, " ")}\``, `token ${source.position}`,
    `similarity ${cosine(source.score)}`, source.cited ? "cited" : "not cited"].filter(Boolean);
  return `${source.number}. ${address ? `[${title}](<${address.href}>)` : title} (${facts.map((fact) => fact.startsWith("document") ? fact : oneLine(fact)).join(", ")})\n\n` +
    quote(source.text).replace(/^/gm, "   ");
}

/** @param {import("./types.js").Run} run */
function runToMarkdown(run) {
  // The markers are ours and stay readable.
  const text = escapeMarkdown(run.text).replace(/\\\[(\d+)\\\]/g, "[$1]");
  const parts = [`*${MODES[run.settings.mode]} (${describe(run.settings)}${run.answer ? `; ${oneLine(run.answer.model)}` : ""})*`, text];
  if (STATES[run.state]) parts.push(`*${STATES[run.state]}${run.error ? ` ${oneLine(run.error)}` : ""}*`);
  if (run.sources.length > 0) parts.push(`### ${run.found ? "Sources" : "Nearest passages, not used"}`, ...run.sources.map(sourceToMarkdown));
  if (run.chunks.length > 0) {
    parts.push("### Neighbours of each chunk", run.chunks.map((chunk) => `- Chunk ${chunk.index + 1} (to token ${chunk.end}): ${oneLine(chunk.text)}\n` +
      chunk.neighbours.map((n) => `  - ${oneLine(n.title || n.document_id)}, token ${n.position}, similarity ${cosine(n.score)}`).join("\n")).join("\n"));
  }
  return parts.filter(Boolean).join("\n\n");
}

/** @param {import("./types.js").Entry} entry */
export function toMarkdown(entry) {
  const heading = `# ${oneLine(entry.question)}`;
  return [heading, new Date(entry.created).toISOString(), ...entry.runs.map(runToMarkdown)].join("\n\n") + "\n";
}

/** @param {import("./types.js").Entry[]} entries */
export function toJson(entries) {
  return JSON.stringify({ format: "retro-answers", version: 1, entries }, null, 2) + "\n";
}

export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** "who-wrote-the-magic-flute" in any script. */
export function fileName(question) {
  const words = question.toLowerCase().normalize("NFC").match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return Array.from(words.slice(0, 8).join("-")).slice(0, 60).join("") || "answer";
}

/** Whether the text is on the clipboard now. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);  // a page of plain http from another machine has no clipboard
  }
}

function copyBySelection(text) {
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog:modal") ?? document.body).append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  before?.focus();
  return isCopied;
}
