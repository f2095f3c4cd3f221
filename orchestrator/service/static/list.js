// The list of studies, with what each has found: filtered by name, state and kind, sorted by a column.
import { ask, at } from "./api.js";
import { el, field, moment, say, score, select, show, state, table } from "./dom.js";
import { sizeOf } from "./plot.js";

const STATES = ["running", "starting", "queued", "finished", "stopped", "interrupted", "failed"];
const KINDS = [["nas", "architecture search"], ["hpo", "hyperparameter search"], ["evaluation", "evaluation"], ["training", "final training"]];
const MOST = 6; // studies that are compared
const seen = { chosen: new Set(), text: "", state: "", kind: "", by: "", down: true }; // kept while other pages are looked at; by nothing: the latest first

// Each column: its name, its class, what it is sorted by, and its cell.
const COLUMNS = [
  ["Study", "", (row) => row.name, (row) => [choice(row), el("a", { href: `#/study${at(row.name)}` }, row.name), el("div", { class: "narrow" }, state(row.state))]],
  ["State", "wide", (row) => STATES.indexOf(row.state), (row) => state(row.state)],
  ["Kind", "wide", (row) => row.kind, (row) => row.kind],
  ["Trainings", "n", (row) => row.trainings, progress],
  ["Best size", "n", (row) => (row.best ? sizeOf(row.metric).of(row.best) : null), size],
  ["Best accuracy", "n", (row) => row.best?.mean_accuracy ?? null, (row) => `${row.best && !row.sought.is_share ? `${row.sought.noun} ` : ""}${score(row.sought, row.best?.mean_accuracy)}`],
  ["Left", "wide", (row) => row.seconds_left?.likely ?? row.seconds_left?.least ?? null, (row) => row.left ?? ""],
  ["Updated", "wide", (row) => row.updated_at, (row) => moment(row.updated_at)],
  ["Message", "wide", (row) => row.message, (row) => row.message ?? ""],
];

export async function list(main, signal) {
  const place = el("div", { class: "table studies" }, el("p", {}, "Loading …"));
  let rows = null, before = "";
  const draw = () => { if (rows) show(place, rows.length ? studies(rows, draw) : empty()); };
  const changed = (name) => (event) => { seen[name] = event.target.value; draw(); say(place.querySelector("caption")?.textContent ?? ""); };
  const filters = el("div", { class: "filters" },
    field("Name or message", el("input", { type: "search", oninput: changed("text") })),
    field("State", select({ onchange: changed("state") }, [["", "all"], ...STATES.map((word) => [word, word])])),
    field("Kind", select({ onchange: changed("kind") }, [["", "all"], ...KINDS])));
  [...filters.querySelectorAll("input, select")].forEach((input, index) => { input.value = [seen.text, seen.state, seen.kind][index]; });
  const together = el("button", { type: "button", onclick: () => { location.hash = `#/compare${at(...seen.chosen)}`; } }, "Compare");
  const count = () => { together.disabled = seen.chosen.size < 2; together.textContent = `Compare ${seen.chosen.size || ""}`.trim(); };
  place.addEventListener("change", ({ target }) => {
    target.checked ? seen.chosen.add(target.value) : seen.chosen.delete(target.value);
    if (seen.chosen.size > MOST) { target.checked = false; seen.chosen.delete(target.value); say(`at most ${MOST} studies are compared`); }
    count();
  });
  count();
  show(main, el("div", { class: "head" }, el("h1", {}, "Studies"), el("div", { class: "row" }, together, el("a", { class: "button", href: "#/new" }, "New search"))),
    el("section", { class: "card", "aria-label": "Studies" }, filters, place));
  while (!signal.aborted) {
    rows = await ask("/studies");
    if (signal.aborted) return;
    for (const name of seen.chosen) if (!rows.some((row) => row.name === name)) seen.chosen.delete(name);
    count();
    filters.hidden = !rows.length;
    const now = JSON.stringify(rows);
    if (now !== before) draw();
    before = now;
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}

const empty = () => el("p", {}, "There are no studies yet. ", el("a", { href: "#/new" }, "Start a search"), ", or run nas-search in this folder.");

function studies(rows, draw) {
  const focus = document.activeElement?.dataset?.kept; // a link or a button of the table that is replaced
  const text = seen.text.trim().toLowerCase();
  const shown = rows.filter((row) => `${row.name} ${row.message ?? ""}`.toLowerCase().includes(text)
    && (!seen.state || row.state === seen.state) && (!seen.kind || row.kind === seen.kind));
  const key = COLUMNS.find(([name]) => name === seen.by)?.[2], way = seen.down ? -1 : 1;
  if (key) shown.sort((one, two) => { const [a, b] = [key(one), key(two)]; return a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -way : way; });
  const heads = COLUMNS.map(([name, style]) => [name, style, { by: seen.by === name, down: seen.down, sort: () => {
    Object.assign(seen, seen.by === name ? { down: !seen.down } : { by: name, down: false });
    draw();
    say(`sorted by ${name}, ${seen.down ? "descending" : "ascending"}`);
  } }]);
  const made = shown.map((row) => el("tr", {}, COLUMNS.map(([, style, , cell], index) =>
    el(index ? "td" : "th", { class: style, scope: index ? null : "row" }, cell(row)))));
  const drawn = table(`${shown.length === rows.length ? "" : `${shown.length} of `}${rows.length} ${rows.length === 1 ? "study" : "studies"}`, heads, made);
  for (const each of drawn.querySelectorAll("a, th button, input")) each.dataset.kept = each.textContent || each.ariaLabel;
  requestAnimationFrame(() => { if (focus) drawn.querySelector(`[data-kept="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true }); });
  return drawn;
}

// A search in the queue has nothing to be compared yet.
const choice = ({ name, begun_at: begun }) => (begun ? el("input", { type: "checkbox", value: name, checked: seen.chosen.has(name), "aria-label": `Compare ${name}` }) : "");

function progress(row) {
  if (!row.budget_trials) return String(row.trainings);
  return [`${row.trainings} / ${row.budget_trials}`, el("progress", { max: row.budget_trials, value: row.trainings, "aria-label": `Trainings of ${row.name}` })];
}

function size(row) {
  if (row.front.length) return `front of ${row.front.length}`;
  const { axis, text } = sizeOf(row.metric);
  return row.best && text(row.best) ? `${text(row.best)} ${axis}` : "";
}
