// The network found beside the base network: layers, sizes, accuracy and latency, and their files to download.
import { ask, at, save } from "./api.js";
import { el, quantity, say, score, show, table } from "./dom.js";
import { reword } from "./plot.js";

const PAUSE = 4000; // ms until a service that was busy is asked again
const count = (number) => (number === null ? "" : number.toLocaleString("en"));
const millions = (number) => (number === null ? "" : `${(number / 1e6).toFixed(2)} M`);
const megabytes = (bytes) => (bytes === undefined ? "" : `${(bytes / 1e6).toFixed(bytes < 1e5 ? 3 : 1)} MB`);
const WEIGHTS = "model.safetensors";

// Return the section, and what is to be called with the study when it has changed.
export function networks(name, signal) {
  const section = el("section", { class: "card", "aria-label": "Networks", hidden: true });
  let drawn = null;
  const changed = async (told) => {
    const key = JSON.stringify([told.state, told.best, told.front, told.models, told.baseline_accuracy]);
    if (drawn === key || signal.aborted || !told.question) return; // a search in the queue has no networks yet
    drawn = key;
    try {
      draw(section, name, told, await ask(`/studies${at(name)}/networks`));
    } catch {
      drawn = null;
      setTimeout(() => changed(told), PAUSE);
    }
  };
  return { section, changed };
}

function draw(section, name, told, shown) {
  section.hidden = !shown.length;
  const lines = [
    ["Trial", (one) => el("a", { href: `#/trial${at(name, one.trial)}` }, String(one.trial))],
    ["Network", (one) => one.network ?? ""],
    ["Layers", (one) => count(one.layers)],
    ["Parameters", (one) => millions(one.parameters)],
    ["MACs", (one) => millions(one.macs)],
    [reword(told, "Accuracy"), (one) => accuracy(told.sought, one.accuracy)],
    ["Latency of one image", (one) => (one.latency_ms === null ? "" : `${one.latency_ms.toFixed(2)} ms`)],
    ...latencies(shown),
    ["Size of its weights", (one) => megabytes(one.files[WEIGHTS])],
    ["Download", (one) => download(name, one)],
  ].map(([head, cell]) => [head, shown.map(cell)]).filter(([, cells]) => cells.some((cell) => cell !== ""));
  const rows = lines.map(([head, cells]) => el("tr", {}, el("th", { scope: "row" }, head), cells.map((cell) => el("td", {}, cell))));
  const heads = [["Figure"], ...shown.map(({ role }) => [role === "base" ? "Base network" : "Network found"])];
  show(section, el("h2", {}, "Networks"), el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Networks side by side" }, table("What the search found and what it started from", heads, rows)));
}

// A row for each device and batch that was measured at the study's end.
function latencies(shown) {
  const head = ({ device, batch }) => `Latency on ${device}, batch ${batch}`;
  const heads = new Set(shown.flatMap((one) => one.latencies.map(head)));
  const text = (measured) => (measured ? `${measured.milliseconds.toFixed(2)} ms` : "");
  return [...heads].map((name) => [name, (one) => text(one.latencies.find((measured) => head(measured) === name))]);
}

function accuracy(sought, known) {
  if (!known) return "";
  const ends = [known.low, known.high].map((end) => score(sought, end).replace("%", ""));
  const interval = known.low === null ? "" : ` [${ends.join(", ")}]`;
  return `${score(sought, known.mean)}${interval} (${quantity(known.trainings, "training")})`;
}

function download(study, one) {
  const sizes = Object.values(one.files);
  if (!sizes.length) return "";
  const whose = one.role === "base" ? "the base network" : "the network found";
  const size = megabytes(sizes.reduce((sum, bytes) => sum + bytes, 0));
  const path = `/studies${at(study)}/trials${at(one.kept)}/network.zip`;
  const file = `${study}-trial-${one.kept}.zip`;
  const link = el("a", { href: `api${path}`, download: file, "aria-label": `${file} of ${whose}, ${size}` }, file);
  link.addEventListener("click", (event) => save(event, path, file).catch((error) => say(error.message)));
  return [link, ` ${size}`];
}
