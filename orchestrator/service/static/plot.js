// Small plots as SVG, redrawn at each change. The tables beside them have the same numbers for screen readers.
import { el, percent, quantity, score } from "./dom.js";

const WIDE = 520, HIGH = 280, LEFT = 54, BOTTOM = 38, TOP = 12, RIGHT = 14;

function ticks(low, high, count) {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / count, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= raw);
  const first = Math.ceil(low / step - 1e-9), found = [];
  for (let n = first; n * step <= high + step * 1e-9; n++) found.push(n * step);
  return found;
}

function frame(label, xs, ys, { x, y, xText, yText, fromZero = false }) {
  const pad = (low, high) => { const more = (high - low || Math.abs(high) * .1 || 1) * .06; return [low - more, high + more]; };
  let [x0, x1] = pad(Math.min(...xs), Math.max(...xs));
  if (fromZero) x0 = 0;
  const [y0, y1] = pad(Math.min(...ys), Math.max(...ys));
  const px = (value) => LEFT + (value - x0) / (x1 - x0) * (WIDE - LEFT - RIGHT);
  const py = (value) => HIGH - BOTTOM - (value - y0) / (y1 - y0) * (HIGH - BOTTOM - TOP);
  const svg = el("svg:svg", { class: "plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": label });
  for (const value of ticks(x0, x1, 5)) {
    svg.append(el("svg:line", { class: "axis", x1: px(value), x2: px(value), y1: TOP, y2: HIGH - BOTTOM }),
      el("svg:text", { x: px(value), y: HIGH - BOTTOM + 16, "text-anchor": "middle" }, xText(value)));
  }
  for (const value of ticks(y0, y1, 4)) {
    svg.append(el("svg:line", { class: "axis", x1: LEFT, x2: WIDE - RIGHT, y1: py(value), y2: py(value) }),
      el("svg:text", { x: LEFT - 6, y: py(value) + 4, "text-anchor": "end" }, yText(value)));
  }
  svg.append(el("svg:text", { x: WIDE - RIGHT, y: HIGH - 4, "text-anchor": "end" }, x),
    el("svg:text", { x: 0, y: TOP - 2 }, y));
  return { svg, px, py, left: LEFT, right: WIDE - RIGHT };
}

const nothing = (text) => el("p", { class: "soft" }, text);
const number = (value) => String(Number(value.toPrecision(6)));

export function kindOf(row) {
  if (row.purpose === "baseline" || row.purpose === "confirmation") return row.purpose;
  return row.state === "pruned" ? row.state : row.verdict ?? "search";
}

// In drawing order: decided trials lie above the trainings that decided them.
const KINDS = [["confirmation", "repeat"], ["pruned", "stopped early"], ["search", "search"],
  ["baseline", "baseline"], ["rejected", "rejected"], ["undecided", "undecided"], ["confirmed", "confirmed"]];
// How a metric of results/metrics.py is shown. A study's own is what it minimises, or else MACs.
export const sizeOf = ({ unit, column, scale, digits }) => ({
  axis: unit, of: (row) => (row[column] === null ? null : row[column] / scale),
  text: (row) => (row[column] === null ? "" : (row[column] / scale).toFixed(digits)),
});
// What a study seeks in place of the accuracy (results/scores.py): its value in a row, and a text about it. Runs without
// validation images have an accuracy on test images alone.
const tested = ({ sought }, row) => (sought.name === "accuracy" ? row.test_accuracy : null);
export const reached = (told, row) => row[told.sought.column] ?? tested(told, row) ?? null;
export const isSized = ({ minimise, sought }) => minimise !== null && minimise !== sought.name; // whether a size is minimised
const values = ({ sought }) => (value) => score(sought, value, 1);
const images = ({ sought }, rows) => (!sought.is_share ? "" : rows.some((row) => row[sought.column] != null) ? "validation " : "test ");
export const reword = ({ sought: { name, noun } }, text) => (name === "accuracy" ? text
  : text.replace(/accuracy/gi, (word) => (word[0] === "A" ? noun[0].toUpperCase() + noun.slice(1) : noun)));
const depth = (row) => KINDS.findIndex(([kind]) => kind === kindOf(row));

// What accuracies are drawn over: the size, or else the trial's number if no size is minimised and all networks have one size.
function across(rows, told) {
  const size = sizeOf(told.metric);
  if (isSized(told) || new Set(rows.map(size.of)).size > 1) return { title: `Accuracy over ${size.axis}`, ...size };
  return { title: "Accuracy of each trial", axis: "trial", of: (row) => row.number, text: () => "" };
}

export function scatter(rows, told, open) {
  const to = (row) => reached(told, row), ended = rows.filter((row) => to(row) !== null);
  const bound = told.min_accuracy ?? null, { title, axis, of, text } = across(ended, told), trained = ended.filter((row) => of(row) !== null);
  const head = el("h2", {}, reword(told, title));
  if (!trained.length) return el("div", {}, head, nothing("Nothing has been trained yet."));
  const xs = trained.map(of), ys = trained.map(to);
  const label = reword(told, `${title}, ${quantity(trained.length, "training")}; the table of trials has each of them.`);
  const { svg, px, py, left, right } = frame(label, xs, bound === null ? ys : [...ys, bound],
    { x: axis, y: reword(told, `${images(told, trained)}accuracy`), xText: number, yText: values(told) });
  if (bound !== null) {
    svg.append(el("svg:line", { class: "bound", x1: left, x2: right, y1: py(bound), y2: py(bound) }),
      el("svg:text", { class: "boundtext", x: left + 4, y: py(bound) - 5 }, reword(told, `required accuracy ${percent(bound)}`)));
  }
  for (const row of [...trained].sort((a, b) => depth(a) - depth(b))) {
    const size = text(row) && `${text(row)} ${axis}, `, says = `trial ${row.number}: ${size}${score(told.sought, to(row))}, ${kindOf(row)}`;
    svg.append(el("svg:circle", { class: kindOf(row), r: 5, cx: px(of(row)), cy: py(to(row)), onclick: () => open(row.number) },
      el("svg:title", {}, says)));
  }
  for (const row of trained.filter((one) => told.front.includes(one.number))) svg.append(el("svg:circle", { class: "front", r: 8, cx: px(of(row)), cy: py(to(row)) }));
  const purpose = trained.find((row) => kindOf(row) === "search")?.purpose; // a run of an evaluation is no search
  const seen = KINDS.filter(([kind]) => trained.some((row) => kindOf(row) === kind)).map(([kind, text]) => [kind, kind === "search" ? purpose : text]);
  return el("div", {}, head, svg, el("ul", { class: "legend" }, seen.map(([kind, text]) => el("li", {}, el("i", { class: kind }), text)),
    told.front.length ? el("li", {}, "with a ring: on the Pareto front") : null));
}

export function curve(rows, about) {
  const bound = about.min_accuracy ?? null;
  const told = rows.filter((row) => reached(about, row) !== null && (row.elapsed_seconds ?? row.step) !== null);
  if (!told.length) return nothing("No epoch has ended yet.");
  const timed = told.every((row) => row.elapsed_seconds !== null);
  const xs = told.map((row) => (timed ? row.elapsed_seconds : row.step)), ys = told.map((row) => reached(about, row));
  const label = `Learning curve of ${told.length} measurements, the last at ${score(about.sought, ys.at(-1))}; the table below has them all.`;
  const { svg, px, py, left, right } = frame(label, xs, bound === null ? ys : [...ys, bound],
    { x: timed ? "seconds of the budget" : "steps", y: reword(about, `${images(about, told)}accuracy`), xText: number, yText: values(about), fromZero: true });
  if (bound !== null) svg.append(el("svg:line", { class: "bound", x1: left, x2: right, y1: py(bound), y2: py(bound) }));
  svg.append(el("svg:path", { class: "path", d: told.map((_, i) => `${i ? "L" : "M"}${px(xs[i])} ${py(ys[i])}`).join("") }));
  told.forEach((row, i) => svg.append(el("svg:circle", { r: 3.5, cx: px(xs[i]), cy: py(ys[i]) }, el("svg:title", {}, `${number(xs[i])}: ${score(about.sought, ys[i])}`))));
  return svg;
}
