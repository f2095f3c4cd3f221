// Which page is shown: the part of the address after the number sign says it.
import { ask, at } from "./api.js";
import { docs } from "./docs.js";
import { el, facts, moment, say, show, state, table } from "./dom.js";
import { form } from "./form.js";
import { study } from "./study.js";
import { trial } from "./trial.js";

let leaving = new AbortController();

async function list(main, signal) {
  const place = el("div", { class: "table" }, el("p", {}, "Loading …"));
  show(main, el("div", { class: "head" }, el("h1", {}, "Studies"), el("a", { class: "button", href: "#/new" }, "New search")),
    el("section", { class: "card", "aria-label": "Studies" }, place));
  let before = "";
  while (!signal.aborted) {
    const rows = await ask("/studies");
    if (signal.aborted) return;
    const now = JSON.stringify(rows);
    if (now !== before) show(place, rows.length ? studies(rows) : el("p", {}, "There are no studies yet. ", el("a", { href: "#/new" }, "Start a search"), ", or run nas-search in this folder."));
    before = now;
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}

function studies(rows) {
  const made = rows.map((row) => el("tr", {},
    el("th", { scope: "row" }, el("a", { href: `#/study${at(row.name)}` }, row.name)),
    el("td", {}, state(row.state)), el("td", { class: "wide" }, row.kind),
    el("td", { class: "n" }, `${row.trainings}${row.budget_trials ? ` / ${row.budget_trials}` : ""}`),
    el("td", { class: "wide" }, row.left ?? ""),
    el("td", { class: "wide" }, moment(row.updated_at)), el("td", { class: "wide" }, row.message ?? "")));
  return table(`${rows.length} ${rows.length === 1 ? "study" : "studies"}, the latest first`,
    [["Study"], ["State"], ["Kind", "wide"], ["Trainings", "n"], ["Left", "wide"], ["Updated", "wide"], ["Message", "wide"]], made);
}

async function route() {
  leaving.abort();
  leaving = new AbortController();
  const main = document.getElementById("main");
  const [page = "", ...names] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.dataset.page === (page || "list");
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  const pages = { "": list, docs, new: form, study, trial };
  document.title = [names.join(" · ") || ({ new: "New search", docs: "REST API" }[page] ?? "Studies"), "nomad-nas"].join(" – ");
  try {
    await (pages[page] ?? list)(main, leaving.signal, ...names);
  } catch (error) {
    show(main, el("h1", {}, "This page cannot be shown"), el("p", { class: "wrong", role: "alert" }, error.message),
      facts([]), el("p", {}, el("a", { href: "#/" }, "All studies")));
  }
}

addEventListener("hashchange", async () => {
  const shown = route();
  document.getElementById("main").focus({ preventScroll: true });
  scrollTo(0, 0);
  say(document.title);
  await shown;
});
route();
