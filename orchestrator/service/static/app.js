// Which page is shown: the part of the address after the number sign says it.
import { compare } from "./compare.js";
import { curves } from "./curves.js";
import { docs } from "./docs.js";
import { el, facts, say, show } from "./dom.js";
import { form } from "./form.js";
import { list } from "./list.js";
import { study } from "./study.js";
import { trial } from "./trial.js";

let leaving = new AbortController();

async function route() {
  leaving.abort();
  leaving = new AbortController();
  const main = document.getElementById("main");
  const [page = "", ...names] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.dataset.page === (page || "list");
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  const pages = { "": list, compare, curves, docs, new: form, study, trial };
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
