// One trial: its numbers, its learning curve as it grows, its log and its configuration.
import { ask, at } from "./api.js";
import { el, facts, percent, point, quantity, score, seconds, show, state, table } from "./dom.js";
import { curve, reached, reword, sizeOf } from "./plot.js";
import { follow } from "./study.js";

export async function trial(main, signal, name, number) {
  const place = `/studies${at(name)}/trials${at(number)}`;
  const page = { name, signal, log: el("div") };
  const numbers = el("div"), drawn = el("div"), rows = el("div", { class: "table" }), config = el("div");
  const log = el("details", { open: true }, el("summary", {}, "Log"), page.log);
  show(main,
    el("p", {}, el("a", { href: `#/study${at(name)}` }, `← ${name}`)), el("h1", {}, `Trial ${number}`), numbers,
    el("div", { class: "two" },
      el("section", { class: "card", "aria-label": "Learning curve" }, el("h2", {}, "Learning curve"), drawn),
      el("section", { class: "card", "aria-label": "Log" }, log)), el("p"),
    el("section", { class: "card" }, el("details", {}, el("summary", {}, "The curve as a table"), rows),
      el("details", {}, el("summary", {}, "Configuration (trial.json)"), config)));
  const about = await ask(`/studies${at(name)}`);
  follow(page, log, `${place}/log`);
  for (;;) {
    const [told, measured] = await Promise.all([ask(place), ask(`${place}/curve`)]);
    if (signal.aborted) return;
    show(numbers, head(told, about), worst(told.val_class_accuracies));
    show(drawn, curve(measured, about));
    const columns = [["Epoch", "n"], ["Seconds", "n"], ["Train loss", "n"], [reword(about, "Accuracy"), "n"]];
    show(rows, table("Measurements", columns, measured.map((row) => measurement(row, about))));
    if (!config.hasChildNodes()) show(config, el("pre", { tabindex: 0, "aria-label": "trial.json" }, JSON.stringify(told.config, null, 2)));
    if (told.state !== "running") return;
    await new Promise((wake) => setTimeout(wake, 1000));
  }
}

function measurement(row, about) {
  const loss = row.train_loss === null ? "" : row.train_loss.toPrecision(4);
  return el("tr", {}, [seconds(row.epoch), seconds(row.elapsed_seconds), loss, score(about.sought, reached(about, row))].map((text) => el("td", { class: "n" }, text)));
}

// The classes with the lowest accuracies, the worst first.
function worst(byClass) {
  const known = Object.entries(byClass ?? {}).filter(([, share]) => share !== null).sort(([, a], [, b]) => a - b).slice(0, 10);
  const rows = known.map(([name, share]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "n" }, percent(share))));
  return rows.length ? el("div", { class: "table" }, table(`The worst ${rows.length} of ${Object.keys(byClass).length} classes`, [["Class"], ["Accuracy", "n"]], rows)) : null;
}

function head(told, about) {
  return facts([
    ["State", state(told.state)],
    ["Why", [told.reason, told.message].filter(Boolean).join(": ")],
    ["Purpose", told.purpose === "confirmation" ? `repeat of trial ${told.of_trial_number}` : told.purpose],
    ["Candidate", point(told.candidate)],
    ["Accuracy", percent(told.val_accuracy)],
    [reword(about, "Accuracy"), about.sought.is_own ? score(about.sought, told.score) : ""],
    ["Balanced accuracy", percent(told.val_balanced_accuracy)],
    ["Macro F1", percent(told.val_macro_f1)],
    ["Top-5 accuracy", percent(told.val_top5_accuracy)],
    ["Verdict", told.verdict ? `${told.verdict}: ${told.trust}` : ""],
    ...about.metrics.map(sizeOf).map(({ axis, text }) => [axis, text(told)]),
    ["Trained", told.train_seconds === null ? "" : `${seconds(told.train_seconds)} s, ${quantity(told.steps, "step")}`],
    ["Worker", [told.slot, told.device_name].filter(Boolean).join(", ")],
  ]);
}
