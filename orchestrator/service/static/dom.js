// Make elements. Text is only ever set as text, so that nothing on record can be markup.

export function el(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) made.append(child);
  return made;
}

export const show = (place, ...children) => place.replaceChildren(...children.flat().filter((c) => c !== null));
export const say = (text) => { document.getElementById("said").textContent = text; };

// A value of what a study seeks: a share in percent, or any number of a script's as it is.
export const score = ({ is_share: share }, value, digits = 2) => (share || value === null || value === undefined ? percent(value, digits) : String(Number(value.toPrecision(6))));
export const percent = (share, digits = 2) => (share === null || share === undefined ? "" : `${(100 * share).toFixed(digits)}%`);
export const seconds = (count) => (count === null || count === undefined ? "" : count < 100 ? count.toFixed(1) : Math.round(count).toString());
export const quantity = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
export const moment = (text) => (text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "");
const few = (value) => (typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value));
export const point = (values) => Object.entries(values ?? {}).map(([name, value]) => `${name} ${few(value)}`).join(", ");
const LABELS = { screened: "skipped before training", pruned: "stopped early" }; // states that people know by another name
export const label = (word) => LABELS[word] ?? word;
export const state = (word) => el("span", { class: `state ${word}` }, label(word));

export const field = (name, input) => el("label", {}, name, input);
export const select = (attributes, options) => el("select", attributes, options.map(([value, text]) => el("option", { value }, text)));

// Each column: its name, its class, and, where rows can be sorted by it, what is called for that.
export function table(caption, columns, rows) {
  const head = columns.map(([name, kind, order]) => el("th", { scope: "col", class: kind, "aria-sort": order?.by ? (order.down ? "descending" : "ascending") : null },
    order ? el("button", { type: "button", onclick: order.sort }, name) : name));
  return el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
}
export const facts = (pairs) => el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== "" && value !== null)
  .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
