// Studies side by side: the networks of all in one plot, their results, and the settings that differ.
import { ask, at } from "./api.js";
import { el, show, table } from "./dom.js";
import { paint } from "./plots.js";

export async function compare(main, signal, ...names) {
  const told = await ask(`/compare?${names.map((name) => `study=${encodeURIComponent(name)}`).join("&")}`);
  if (signal.aborted) return;
  const place = el("div", { class: "drawn", role: "img", "aria-label": "Pareto front of each study: its networks by size and accuracy. Each study's page has them as a table." });
  show(main, el("h1", {}, "Studies compared"),
    el("p", {}, told.studies.flatMap((name, index) => [index ? ", " : "", el("a", { href: `#/study${at(name)}` }, name)])),
    el("section", { class: "card", "aria-label": "Networks" }, el("h2", {}, "Networks by size and accuracy"), told.networks.nothing ? el("p", { class: "soft" }, `Nothing to draw: ${told.networks.nothing}.`) : place),
    side("Results", told, told.results), side("Settings that differ", told, told.settings));
  if (told.networks.nothing) return;
  const themes = new MutationObserver(() => paint(place, told.networks, signal));
  themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  signal.addEventListener("abort", () => { themes.disconnect(); window.Plotly?.purge(place); });
  await paint(place, told.networks, signal);
}

function side(title, told, rows) {
  const made = rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name || "(all)"), cells.map((cell) => el("td", {}, cell))));
  const body = rows.length ? table(`${title} of ${told.studies.length} studies`, [["What"], ...told.studies.map((name) => [name])], made) : el("p", { class: "soft" }, "There are none.");
  return el("section", { class: "card", "aria-label": title }, el("h2", {}, title), el("div", { class: "table side", tabindex: 0, role: "group", "aria-label": `${title}, a table` }, body));
}
