// Builds elements. Whatever comes from devices goes through here as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element; `class`, `text`, `dataset` and attributes in `properties`; null children are left out. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  fill(element, properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(name, properties = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  fill(element, properties);
  element.append(...children);
  return element;
}

function fill(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") element.textContent = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
}

/** A mark of quality or state; its word always stands beside it. */
export const glyph = (id) =>
  svg("svg", { class: "glyph", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("use", { href: `/static/marks.svg#${id}` }));

/** Sets a text only when it changed, so that a screen reader and the layout are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An id, unit or number in its own direction. */
export const isolate = (text, properties = {}) => el("bdi", { dir: "ltr", text, ...properties });
