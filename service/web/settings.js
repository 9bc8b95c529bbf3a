// Retrieval and sampling as the person wants them, and the form for them.

import { h, newId } from "./dom.js";
import { count } from "./format.js";

/** @type {import("./types.js").Settings} */
export const DEFAULTS = { mode: "prompt", k: 3, nprobe: 0, threshold: 0.35, max_tokens: 64, temperature: 0, top_p: 1, seed: 0 };

export const MODES = {
  prompt: "Passages in the prompt",
  cca: "Cross-attention to neighbours",
  both: "Prompt and cross-attention",
  off: "Off: from memory alone",
};

const FIELDS = [
  { name: "k", label: "Passages (k)", min: 1, max: 50, step: 1, hint: "How many are read for an answer." },
  { name: "threshold", label: "Least similarity", min: -1, max: 1, step: 0.01, hint: "Below it the database is said to hold no answer. −1: never." },
  { name: "nprobe", label: "Lists searched", min: 0, max: 65536, step: 1, hint: "nprobe of the index. 0: as it was built." },
  { name: "max_tokens", label: "Longest answer", min: 1, max: 4096, step: 1, hint: "In tokens." },
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05, hint: "0: always the most probable word." },
  { name: "top_p", label: "Top p", min: 0.01, max: 1, step: 0.01, hint: "Share of probability that is drawn from." },
  { name: "seed", label: "Seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, hint: "The same seed, the same answer." },
];

/** What was remembered, with every value in its range and a mode that this model has. */
export function valid(settings, modes) {
  const kept = { ...DEFAULTS };
  for (const { name, min, max, step } of FIELDS) {
    const value = settings[name];
    if (typeof value !== "number" || Number.isNaN(value)) continue;
    kept[name] = Math.min(max, Math.max(min, step === 1 ? Math.round(value) : value));
  }
  kept.mode = [settings.mode, DEFAULTS.mode, ...modes].find((mode) => modes.includes(mode)) ?? "off";
  return kept;
}

/** "prompt, 3 passages, greedy, 64 tokens" */
export function describe({ mode, k, temperature, max_tokens }) {
  const retrieval = mode === "off" ? "retrieval off" : `${mode === "prompt" ? "" : `${mode}, `}${count(k, "passage")}`;
  return `${retrieval} · ${temperature === 0 ? "greedy" : `temperature ${temperature}`} · ${count(max_tokens, "token")}`;
}

/**
 * @param {import("./types.js").Settings} settings
 * @param {string[]} modes  those that the model has
 * @param {(settings: import("./types.js").Settings) => void} onChange
 */
export function settingsForm(settings, modes, onChange) {
  const change = (name, value) => {
    settings = valid({ ...settings, [name]: value }, modes);
    onChange(settings);
    return settings[name];
  };
  const mode = h("select", { id: newId("field"), onchange: () => change("mode", mode.value) },
    ...modes.map((name) => h("option", { value: name, selected: name === settings.mode }, MODES[name] ?? name)));
  const fields = FIELDS.map((field) => numberField(field, settings[field.name], (value) => change(field.name, value)));
  const form = h("div", { class: "settings-fields" },
    h("div", { class: "field field-wide" }, h("label", { for: mode.id }, "Retrieval"), mode), ...fields);
  const reset = h("button", { type: "button", class: "button quiet", onclick: () => {
    onChange(valid(DEFAULTS, modes));
    const fresh = settingsForm(valid(DEFAULTS, modes), modes, onChange);
    form.parentElement.replaceWith(fresh);
    fresh.querySelector("select").focus();
  } }, "Back to the defaults");
  return h("div", {}, form, reset);
}

function numberField({ name, label, min, max, step, hint }, value, change) {
  const id = newId("field");
  const input = h("input", { id, name, type: "number", min, max, step, value, inputmode: "decimal", autocomplete: "off",
    "aria-describedby": `${id}-hint`, onchange: () => {
      input.value = change(input.value === "" ? NaN : Number(input.value));
    } });
  return h("div", { class: "field" }, h("label", { for: id }, label), input, h("p", { id: `${id}-hint`, class: "hint" }, hint));
}
