// Chosen trials of a study: what they reached, their losses and their learning rates, each in one plot.
import { ask, at } from "./api.js";
import { el, show } from "./dom.js";
import { reword } from "./plot.js";
import { CURVES, figure } from "./plots.js";

export async function curves(main, signal, name, ...numbers) {
  const told = await ask(`/studies${at(name)}`);
  if (signal.aborted) return;
  const query = `?${numbers.map((number) => `trial=${encodeURIComponent(number)}`).join("&")}`;
  const cards = CURVES.map(([plot, words]) => {
    const { parts, open } = figure(name, plot, reword(told, words), signal, { query });
    open();
    return el("section", { class: "card", "aria-label": reword(told, words), "data-plot": plot }, el("h2", {}, reword(told, words)), parts);
  });
  show(main, el("p", {}, el("a", { href: `#/study${at(name)}` }, `← ${name}`)),
    el("h1", {}, `Curves of ${numbers.length === 1 ? "trial" : "trials"} ${numbers.join(", ")}`), cards);
}
