// One study as it runs: its numbers, its plots, its trials with their clocks, and what can be done with it.
import { ask, at, listen, save } from "./api.js";
import { el, facts, label, moment, percent, point, quantity, say, score, seconds, show, state, table } from "./dom.js";
import { networks } from "./networks.js";
import { reached, reword, scatter, sizeOf } from "./plot.js";
import { figure, plots } from "./plots.js";
import { progress, workers } from "./workers.js";

const SHOWN = 200; // trials in the table until all are asked for
const MOST = 8; // trials whose curves are shown together
const chosen = new Map(); // trials whose curves are to be compared, by study; kept while other pages are looked at

const WAITING = ["queued", "starting"]; // before the service has written any output
const ENDED = ["finished", "stopped", "failed", "interrupted"];

export async function study(main, signal, name) {
  const page = { name, main, signal, told: null, rows: new Map(), clocks: new Map(), all: false, drawn: false };
  page.told = await ask(`/studies${at(name)}`);
  frame(page);
  const drawing = () => { if (!page.drawn) { page.drawn = true; requestAnimationFrame(() => { page.drawn = false; if (!signal.aborted) draw(page); }); } };
  await listen(`/studies${at(name)}/stream`, async (kind, told) => {
    if (kind === "open") await everything(page);
    if (kind === "study") page.told = told;
    if (kind === "trials") heard(page, told);
    if (kind === "study" || kind === "trials") { page.plots.changed(); page.path.changed(); }
    if (kind === "clocks") { tick(page, told); return; }
    if (kind === "gone") { location.hash = "#/"; return; }
    page.lost.hidden = kind !== "lost";
    drawing();
  }, signal);
}

async function everything(page) {
  let after = 0, rows;
  do {
    rows = await ask(`/studies${at(page.name)}/trials?after=${after}&most=1000`);
    for (const row of rows) page.rows.set(row.number, row);
    after = rows.at(-1)?.number ?? after;
  } while (rows.length === 1000 && !page.signal.aborted);
}

function heard(page, rows) {
  for (const row of rows) page.rows.set(row.number, row);
  const last = rows.at(-1);
  if (last && last.state !== "running") say(`Trial ${last.number} ${label(last.state)}${reached(page.told, last) === null ? "" : `, ${page.told.sought.noun} ${score(page.told.sought, reached(page.told, last))}`}`);
}

function frame(page) {
  for (const part of ["state", "numbers", "scatter", "trials", "asked", "log"]) page[part] = el("div");
  page.lost = el("p", { class: "wrong", role: "alert", hidden: true }, "The connection to the service is lost; trying again.");
  page.wrong = el("p", { class: "wrong", role: "alert" });
  page.actions = el("div", { class: "row" });
  page.trials.className = "table";
  page.workers = el("section", { class: "card", "aria-label": "Workers", hidden: true });
  page.plots = plots(page.name, page.told, page.signal);
  page.path = figure(page.name, "path-trainings", "Best so far over trainings", page.signal, { isShown: () => Boolean(page.told.question), height: 330 });
  choosing(page);
  page.networks = networks(page.name, page.signal);
  const log = el("details", { ontoggle: () => follow(page, log) }, el("summary", {}, "Output of the search"), page.log);
  const trained = el("section", { class: "card", "aria-label": reword(page.told, "Accuracy of the trials") }, page.scatter);
  const found = el("section", { class: "card", "aria-label": "Best so far" }, el("h2", {}, "Best so far"), page.path.parts);
  show(page.main,
    el("div", { class: "head" }, el("div", {}, el("h1", {}, page.name), page.state), page.actions),
    page.lost, page.wrong, page.numbers, page.workers,
    el("div", { class: "two" }, trained, found),
    el("p"), page.networks.section, page.plots.section, el("p"),
    el("section", { class: "card", "aria-label": "Trials" }, el("div", { class: "head" }, el("h2", {}, "Trials"), page.together), page.trials),
    el("section", { class: "card" }, log, el("details", {}, el("summary", {}, "Settings"), page.asked)));
  draw(page);
  page.path.open();
}

// Let trials be chosen in the table, to see their curves in one plot.
function choosing(page) {
  if (!chosen.has(page.name)) chosen.set(page.name, new Set());
  const numbers = page.chosen = chosen.get(page.name);
  page.together = el("button", { type: "button", onclick: () => { location.hash = `#/curves${at(page.name, ...numbers)}`; } });
  const count = () => { page.together.disabled = !numbers.size; page.together.textContent = `Curves of ${numbers.size || "chosen"} ${numbers.size === 1 ? "trial" : "trials"}`; };
  page.trials.addEventListener("change", ({ target }) => {
    target.checked ? numbers.add(target.value) : numbers.delete(target.value);
    if (numbers.size > MOST) { target.checked = false; numbers.delete(target.value); say(`at most ${MOST} trials are shown together`); }
    count();
  });
  count();
}

function draw(page) {
  const { told } = page, rows = [...page.rows.values()].sort((a, b) => a.number - b.number);
  const open = (number) => { location.hash = `#/trial${at(page.name, number)}`; };
  const bound = told.min_accuracy ?? null;
  show(page.state, el("p", { class: "soft" }, state(told.state), told.message ? `: ${told.message}` : ""));
  show(page.numbers, facts([
    ["Trainings", `${told.trainings} of ${told.budget_trials ?? "?"}`],
    ["Used", told.used ?? ""],
    ["Left", told.left ?? ""],
    ["Expected saving", told.state === "running" && told.expected_saving != null ? `${percent(told.expected_saving, 1)} by 10 more trainings` : ""],
    [reword(told, "Required accuracy"), percent(bound)],
    ["Baseline", told.baseline_accuracy ? percent(told.baseline_accuracy) : ""],
    ["Best so far", (told.minimise && told.maximise) || !["nas", "hpo"].includes(told.kind) ? "" : best(page.name, told)],
    ["Pareto front", told.front.length ? el("span", {}, "trials ", told.front.flatMap((number, index) => [index ? ", " : "", link(page.name, number, number)])) : ""],
    ["Saved as", (told.models ?? []).map((model) => `${model.name} (${model.status})`).join(", ")],
    ["Started", moment(told.created_at)],
  ]), el("progress", { max: told.budget_trials ?? 1, value: told.trainings, "aria-label": "Trainings spent" }));
  show(page.scatter, scatter(rows, told, open));
  trials(page, rows, told.best ? [told.best.trial] : told.front);
  workers(page);
  page.networks.changed(told);
  actions(page);
  const asked = JSON.stringify(told.question ?? told.options, null, 2);
  if (page.asked.textContent !== asked) show(page.asked, el("pre", { tabindex: 0, "aria-label": "Settings of the study" }, asked));
}

// Only these words change each second; what a pointer may be on stays.
function tick(page, clocks) {
  page.clocks = new Map(clocks.map((clock) => [clock.number, clock]));
  progress(page, clocks);
  for (const clock of clocks) {
    const [accuracy, spent] = page.trials.querySelectorAll(`[data-trial="${clock.number}"] [data-clock]`);
    if (accuracy) [accuracy.textContent, spent.textContent] = [score(page.told.sought, reached(page.told, clock)), seconds(clock.seconds)];
  }
}

const link = (name, number, words) => el("a", { href: `#/trial${at(name, number)}` }, String(words));

function best(name, { best, metric, sought }) {
  if (!best) return "none yet";
  const { axis, text } = sizeOf(metric), size = text(best) && `${text(best)} ${axis}, `;
  const sure = best.trainings > 1 ? ` (mean of ${best.trainings})` : "";
  return el("span", {}, link(name, best.trial, `trial ${best.trial}`), `: ${size}${score(sought, best.mean_accuracy)}${sure}${best.verdict ? `, ${best.verdict}` : ""}`);
}

function trials(page, rows, best) {
  const size = page.told.question?.config_as ? null : sizeOf(page.told.metric); // of a script no size is known
  const hidden = page.all ? 0 : Math.max(0, rows.length - SHOWN);
  const focused = document.activeElement, focus = focused?.closest?.("[data-trial]")?.dataset.trial;
  const made = rows.slice(hidden).reverse().map((row) => line(page, row, size, best.includes(row.number)));
  const more = hidden ? el("button", { type: "button", class: "link", onclick: () => { page.all = true; draw(page); } }, hidden === 1 ? "Show the earlier one" : `Show the ${hidden} earlier ones`) : null;
  const columns = [["Trial"], ["Purpose", "wide"], ["Candidate"], ...(size ? [[size.axis, "n"]] : []), [reword(page.told, "Accuracy"), "n"], ["Seconds", "n wide"], ["State"]];
  show(page.trials, rows.length ? table(`${quantity(rows.length, "trial")}, the latest first; open one to see its curve and log, or choose several to see their curves together`, columns, made) : el("p", { class: "soft" }, "There are no trials yet."), more ?? "");
  if (focus) page.trials.querySelector(`[data-trial="${focus}"] ${focused.localName}`)?.focus({ preventScroll: true });
}

function line(page, row, size, isBest) {
  const clock = row.state === "running" ? page.clocks.get(row.number) : null, runs = row.state === "running" && page.told.state === "running";
  const waits = row.state === "running" && ENDED.includes(page.told.state);
  const outcome = row.state === "running" ? "running" : row.verdict ?? row.state;
  const word = waits ? "to be trained again" : label(outcome);
  const why = row.reason ? `: ${row.reason}` : row.state === "duplicate" ? ` of ${row.of_trial_number}` : "";
  return el("tr", { "data-trial": row.number, class: isBest ? "best" : runs ? "running" : null },
    el("th", { scope: "row" }, choice(page, row), el("a", { href: `#/trial${at(page.name, row.number)}`, "aria-label": `Trial ${row.number}` }, String(row.number))),
    el("td", { class: "wide" }, row.purpose === "confirmation" ? `repeat of ${row.of_trial_number}` : row.purpose),
    el("td", {}, point(row.candidate)), size && el("td", { class: "n" }, size.text(row)),
    el("td", { class: "n", "data-clock": runs }, score(page.told.sought, reached(page.told, row) ?? (clock && reached(page.told, clock)))),
    el("td", { class: "n wide", "data-clock": runs }, seconds(row.wall_seconds ?? clock?.seconds)),
    el("td", {}, el("span", { class: `state ${runs ? "running" : waits ? "waiting" : outcome}`, title: row.message }, `${word}${why}${isBest ? (page.told.front.length ? ", on the Pareto front" : ", the best") : ""}`)));
}

// What is measured of a trial is kept when it has ended.
const choice = (page, row) => (row.attempts && row.state !== "running" ? el("input", { type: "checkbox", value: row.number, checked: page.chosen.has(String(row.number)), "aria-label": `Choose trial ${row.number}` }) : null);

function actions(page) {
  const { told } = page, busy = ["queued", "starting", "running"].includes(told.state);
  const key = `${busy} ${told.resumable} ${told.state} ${Boolean(told.question)}`;
  if (page.acted === key) return; // a button that is focused stays
  page.acted = key;
  const act = (verb) => async () => {
    page.wrong.textContent = "";
    try { await ask(`/studies${at(page.name)}/${verb}`, { method: "POST" }); say(`${verb} was requested`); }
    catch (error) { page.wrong.textContent = error.message; }
  };
  show(page.actions,
    busy ? el("button", { type: "button", onclick: act("stop") }, told.state === "queued" ? "Remove from the queue" : "Stop") : "",
    !busy && told.resumable && told.state !== "finished" ? el("button", { type: "button", class: "main", onclick: act("resume") }, "Resume") : "",
    told.question ? report(page) : "",
    told.resumable && told.options && told.subject ? el("a", { class: "button", href: `#/new${at(page.name)}` }, "Search again with changes") : "",
    busy ? "" : el("button", { type: "button", class: "danger", onclick: () => remove(page.name) }, "Delete …"));
}

function report(page) {
  const path = `/studies${at(page.name)}/report`, file = `${page.name}.html`;
  const saved = (event) => save(event, path, file).catch((error) => { page.wrong.textContent = error.message; });
  return el("a", { class: "button", href: `api${path}`, download: file, onclick: saved }, "Save the report");
}

function remove(name) {
  const dialog = document.getElementById("delete"), field = dialog.querySelector("input"), wrong = dialog.querySelector(".wrong");
  dialog.querySelector(".ask").textContent = `Type its name, ${name}, to confirm:`;
  field.value = wrong.textContent = "";
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      const { left } = await ask(`/studies${at(name)}?confirm=${encodeURIComponent(field.value)}`, { method: "DELETE" });
      if (left) { wrong.textContent = `The study is deleted. ${left}`; return; }
      dialog.close();
      location.hash = "#/";
    } catch (error) { wrong.textContent = error.message; }
  };
  dialog.showModal();
}

export async function follow(page, details, path = `/studies${at(page.name)}/log`) {
  const text = el("pre", { tabindex: 0, "aria-label": "Log" });
  const quiet = el("p", { class: "soft", hidden: true }, "No output yet.");
  show(page.log, quiet, text);
  let offset = -65536;
  while (details.open && !page.signal.aborted) {
    const piece = await ask(`${path}?offset=${offset}`).catch((error) => ({ text: "", next_offset: offset, wrong: error.message }));
    const below = text.scrollTop + text.clientHeight >= text.scrollHeight - 8;
    text.append(piece.text);
    offset = piece.next_offset;
    if (piece.wrong) { show(page.log, el("p", { class: "soft" }, piece.wrong)); return; }
    const isElsewhere = !piece.kept && page.told && !WAITING.includes(page.told.state); // a study, and not a trial
    quiet.textContent = isElsewhere ? "This search was started in a terminal, which shows its output; it is not kept. Each trial's page has the output of that training." : "No output yet.";
    quiet.hidden = text.textContent !== "";
    if (below) text.scrollTop = text.scrollHeight;
    await new Promise((wake) => setTimeout(wake, piece.text ? 300 : 1500));
  }
}
