// What the workers of a running study train now. Which worker it is, a trial tells when it has ended.
import { at } from "./api.js";
import { el, percent, point, seconds, show, table } from "./dom.js";
import { reached, reword } from "./plot.js";

export function workers(page) {
  const { told } = page, place = page.workers;
  const busy = [...page.rows.values()].filter((row) => row.state === "running").sort((a, b) => a.number - b.number);
  place.hidden = told.state !== "running";
  const key = JSON.stringify([told.slots, busy.map((row) => [row.number, row.attempts])]);
  if (place.hidden || place.dataset.drawn === key) return; // a link that is focused stays
  place.dataset.drawn = key;
  const idle = told.slots === null ? 0 : Math.max(0, told.slots - busy.length);
  const rows = busy.map((row) => el("tr", { "data-worker": row.number },
    el("th", { scope: "row" }, el("a", { href: `#/trial${at(page.name, row.number)}` }, `trial ${row.number}`), row.purpose === "confirmation" ? `, repeat of ${row.of_trial_number}` : row.purpose === "search" ? "" : `, ${row.purpose}`),
    el("td", { class: "wide" }, point(row.candidate)), el("td", {}, el("progress", { max: 1, value: 0, "aria-label": `Progress of trial ${row.number}` })),
    el("td", { class: "n" }), el("td", { class: "n" })));
  const caption = `${busy.length} ${busy.length === 1 ? "worker trains" : "workers train"}${idle ? `, ${idle} idle` : ""}`;
  show(place, el("h2", {}, "Workers"), el("div", { class: "table" },
    busy.length ? table(caption, [["Trains now"], ["Candidate", "wide"], ["Progress"], [reword(told, "Accuracy"), "n"], ["Seconds", "n"]], rows) : el("p", { class: "soft" }, `${caption}.`)));
}

// Show each second how far the trainings are.
export function progress(page, clocks) {
  for (const clock of clocks) {
    const row = page.workers.querySelector(`[data-worker="${clock.number}"]`);
    if (!row) continue;
    row.querySelector("progress").value = clock.progress ?? 0;
    [row.cells[3].textContent, row.cells[4].textContent] = [percent(reached(page.told, clock)), seconds(clock.seconds)];
  }
}
