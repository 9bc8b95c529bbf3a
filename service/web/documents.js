// Adding a document to the database of a server that allows it, and asking again.

import { button, h, newId } from "./dom.js";
import { fileName } from "./export.js";

const FIELDS = [
  { name: "title", label: "Title", required: true },
  { name: "text", label: "Text", required: true, rows: 8 },
  { name: "id", label: "Id", hint: "A document with the same id is replaced. Left empty: made from the title." },
  { name: "source", label: "Source", hint: "Where it is from, as shown beside its passages." },
  { name: "url", label: "Address", type: "url" },
  { name: "licence", label: "Licence" },
];

/**
 * @param {HTMLDialogElement} dialog
 * @param {import("./api.js").Api} api
 * @param {{question: () => ?string, askAgain: () => void, changed: () => void}} page
 */
export function openDocumentForm(dialog, api, page) {
  const inputs = Object.fromEntries(FIELDS.map((field) => [field.name, fieldInput(field)]));
  const message = h("p", { class: "form-message", role: "alert" });
  const submit = h("button", { class: "button primary" }, "Add to the database");
  const form = h("form", { class: "document-form", onsubmit: async (event) => {
    event.preventDefault();
    const document = documentOf(inputs);
    submit.disabled = true;
    message.textContent = "";
    try {
      const result = await api.addDocument(document);
      page.changed();
      dialog.replaceChildren(added(dialog, api, page, document, result));
      dialog.querySelector("h2").focus();
    } catch (error) {
      message.textContent = error.message;
      submit.disabled = false;
    }
  } },
  h("h2", { id: "document-title" }, "Add a document"),
  h("p", { class: "hint" }, "Answers can use it as soon as it is added; everyone who asks this server will see it."),
  ...FIELDS.map(({ label, name, required, hint }) => h("div", { class: `field ${required ? "" : "field-half"}` },
    h("label", { for: inputs[name].id }, label, !required && h("span", { class: "hint" }, " (optional)")), inputs[name],
    hint && h("p", { class: "hint", id: `${inputs[name].id}-hint` }, hint))),
  message,
  h("div", { class: "actions" }, submit, button("Cancel", () => dialog.close())));
  dialog.replaceChildren(form);
  dialog.showModal();
}

function fieldInput({ name, rows, type = "text", required = false, hint }) {
  const id = newId("document");
  const common = { id, name, required, dir: "auto", "aria-describedby": hint ? `${id}-hint` : null };
  return rows ? h("textarea", { ...common, rows }) : h("input", { ...common, type, autocomplete: "off" });
}

function documentOf(inputs) {
  const values = Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]).filter(([, value]) => value !== "");
  const document = Object.fromEntries(values);
  document.id ??= `page:${fileName(document.title)}`;
  return document;
}

function added(dialog, api, page, document, { replaced, generation }) {
  const question = page.question();
  const message = h("p", { role: "status" });
  const remove = button("Take it out again", async () => {
    try {
      await api.removeDocument(document.id);
      page.changed();
      message.textContent = "It is no longer in the database.";
      remove.remove();
    } catch (error) {
      message.textContent = error.message;
    }
  }, { iconName: "trash" });
  return h("div", { class: "document-form" },
    h("h2", { id: "document-title", tabindex: "-1" }, replaced > 0 ? "Document replaced" : "Document added"),
    h("p", {}, "“", h("bdi", {}, document.title), `” is in the database now (generation ${generation}), as `, h("bdi", {}, document.id), "."), message,
    h("div", { class: "actions" },
      question && h("button", { type: "button", class: "button primary", onclick: () => { dialog.close(); page.askAgain(); } }, "Ask again"),
      remove, button("Close", () => dialog.close())));
}
