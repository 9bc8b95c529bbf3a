// Elements without markup: text only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("button", {class: "quiet", onclick: f}, "Stop"). Functions become listeners, true an empty attribute; null, undefined
 * and false leave the attribute out.
 * @param {string} tag
 * @param {Object<string, any>} [attributes]
 * @param {...(Node|string|null|undefined|false)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A picture of the sprite, hidden from screen readers: what it stands in says what it means. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows only its icon. */
export function iconButton(name, label, onclick, attributes = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/** A button with a word, and an icon before it when one is named. */
export function button(label, onclick, { iconName = null, ...attributes } = {}) {
  return h("button", { type: "button", class: "button", onclick, ...attributes }, iconName && icon(iconName), h("span", {}, label));
}

/** For screen readers alone. */
export const hidden = (text) => h("span", { class: "visually-hidden" }, text);

let lastId = 0;
export const newId = (prefix) => `${prefix}-${++lastId}`;

/** Whether this key press belongs to what is being typed or chosen. */
export function isTyping(event) {
  return event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]") !== null;
}
