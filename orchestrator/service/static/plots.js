// The plots of the report, as the study stands. Each is asked for while it is open, and again when the study changes.
import { ask, at } from "./api.js";
import { el, show } from "./dom.js";
import { isSized, reword } from "./plot.js";

const PLOTS = [["front", "Size and accuracy, with required accuracy, tolerance and intervals"],
  ["path-hours", "Best so far over device-hours"], ["curves-progress", "Learning curves by budget"], ["curves-seconds", "Learning curves by seconds"],
  ["curves-train_loss", "Training loss"], ["curves-val_loss", "Validation loss"], ["curves-learning_rate", "Learning rate"],
  ["slices", "Accuracy by parameter"], ["parallel", "All parameters at once"], ["contour", "Accuracy over two parameters"], ["importance", "Parameter importance for the accuracy"], ["timeline", "Workers over time, with idle time"]];
export const CURVES = PLOTS.filter(([plot]) => plot.startsWith("curves-")); // which can be of chosen trials
const PAUSE = 4000; // ms between two drawings of a plot, or three times as long as the last one took

let plotly = null;
function library() {
  plotly ??= new Promise((settle, fail) => {
    const script = el("script", { src: "static/plotly.js" });
    script.addEventListener("load", () => settle(window.Plotly));
    script.addEventListener("error", () => { plotly = null; fail(new Error("plotly.js could not be loaded; close the plot and open it again")); });
    document.head.append(script);
  });
  return plotly;
}

// Draw a plot as the service tells it, in the page's theme. A height in pixels replaces the report's.
export async function paint(place, told, signal, height = told.layout.height) {
  const Plotly = await library();
  if (signal.aborted) return;
  const layout = { ...structuredClone(told.layout), template: told.themes[document.documentElement.dataset.theme], autosize: true, height, paper_bgcolor: "transparent", plot_bgcolor: "transparent" };
  if (place.clientWidth < 600) layout.height += 19 * told.data.filter((trace) => trace.showlegend !== false).length; // of a legend with a row for each
  await Plotly.react(place, structuredClone(told.data), layout, { responsive: true, displayModeBar: false });
}

// Return the section, and what is to be called when the study has changed.
export function plots(name, told, signal) {
  const [front, ...rest] = PLOTS; // where all networks have one size, how it went comes first
  const shown = told.question?.config_as ? rest : isSized(told) ? PLOTS : [...rest, front]; // a script tells no sizes
  const all = shown.map(([plot, words]) => folded(name, plot, reword(told, words), signal));
  const section = el("section", { class: "card", "aria-label": "All plots" }, el("h2", {}, "All plots"), all.map(({ details }) => details));
  return { section, changed: () => all.forEach(({ changed }) => changed()) };
}

function folded(name, plot, words, signal) {
  const shown = figure(name, plot, words, signal, { isShown: () => details.open });
  const details = el("details", { "data-plot": plot, ontoggle: shown.open }, el("summary", {}, words), shown.parts);
  return { details, changed: shown.changed };
}

// Return the elements of a plot, which is drawn while it is shown, and what is to be called when it is opened and when the study has changed.
export function figure(name, plot, words, signal, { isShown = () => true, height, query = "" } = {}) {
  const place = el("div", { class: "drawn", role: "img", "aria-label": `${words}. The table of trials has the numbers.` });
  const note = el("p", { class: "soft", role: "status" });
  let told = null, stale = true, busy = false;
  const draw = async () => {
    if (!told || !isShown() || signal.aborted) return;
    note.textContent = told.nothing ? `Nothing to draw: ${told.nothing}.` : told.note ? `Shown: ${told.note}.` : "";
    place.hidden = Boolean(told.nothing);
    if (!told.nothing) await paint(place, told, signal, height);
  };
  const open = async () => {
    if (busy) return;
    busy = true;
    while (stale && isShown() && !signal.aborted) {
      const began = performance.now();
      stale = false;
      try {
        if (!told) note.textContent = "Drawing …";
        told = await ask(`/studies${at(name)}/plots${at(plot)}${query}`);
        await draw();
      } catch (error) { note.textContent = error.message; stale ||= error.status === 429; } // others are being made
      await new Promise((wake) => setTimeout(wake, Math.max(PAUSE, 3 * (performance.now() - began))));
    }
    busy = false;
  };
  const themes = new MutationObserver(draw);
  themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  signal.addEventListener("abort", () => { themes.disconnect(); if (window.Plotly && place.data) window.Plotly.purge(place); });
  return { parts: [place, note], open, changed: () => { stale = true; open(); } };
}
