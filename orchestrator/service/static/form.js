// The form of a new search: the command's own options, the plan before anything is started.
import { ask, at } from "./api.js";
import { el, say, show } from "./dom.js";

const SUBJECT = { nas: "base", hpo: "model" };

export async function form(main, signal) {
  const choices = await ask("/choices");
  if (signal.aborted) return;
  const fields = el("div"), plan = el("div", { "aria-live": "polite" }), wrong = el("p", { class: "wrong", role: "alert" });
  const check = el("button", { class: "main" }, "Show the plan"), start = el("button", { type: "button", disabled: true }, "Start the search");
  const made = el("form", { class: "card", novalidate: true, "aria-label": "New search" }, kinds(), fields, wrong, el("div", { class: "row" }, check, start));
  const changed = () => { start.disabled = true; start.className = ""; show(plan); wrong.textContent = ""; };
  const draw = () => { show(fields, questions(choices, made.elements.kind.value)); changed(); };
  const busy = async (act) => {
    check.disabled = start.disabled = true;
    wrong.textContent = "";
    try { await act(); } catch (error) { wrong.textContent = error.message; } finally { check.disabled = false; }
  };
  made.addEventListener("input", (event) => (event.target.name === "kind" ? draw() : changed()));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(async () => {
      show(plan, el("section", { class: "card" }, el("p", { class: "soft" }, "Making the plan. Nothing is started …")));
      const asked = answers(made);
      const told = await ask("/plan", { method: "POST", body: asked }).catch((error) => { show(plan); throw error; });
      show(plan, el("section", { class: "card", "aria-label": "Plan" }, el("h2", {}, `Plan of ${told.study}`),
        told.on_record ? el("p", {}, "A study with this name exists. With the same settings it is resumed.") : "",
        el("pre", { tabindex: 0, "aria-label": "What the search would cost" }, told.lines.slice(1).join("\n"))));
      plan.scrollIntoView({ block: "nearest" });
      start.disabled = false;
      start.className = "main";
      check.className = "";
      say("The plan is ready. Nothing has been started yet.");
    });
  });
  start.addEventListener("click", () => busy(async () => {
    const { study } = await ask("/studies", { method: "POST", body: answers(made) });
    location.hash = `#/study${at(study)}`;
  }));
  show(main, el("h1", {}, "New search"), el("p", { class: "soft" }, queueText(choices.at_a_time)), made, plan);
  draw();
}

const queueText = (count) => `Searches wait in a queue; ${count === 1 ? "one runs" : `${count} run`} at a time. An empty field means the value in brackets.`;

function kinds() {
  const radio = (value, text, checked) => el("label", { class: "check" }, el("input", { type: "radio", name: "kind", value, checked }), text);
  return el("fieldset", {}, el("legend", {}, "Kind of search"), radio("nas", "architecture search: the smallest network that is accurate enough (nas-search)", true),
    radio("hpo", "hyperparameter search: the most accurate training (hpo-search)", false));
}

function questions(choices, kind) {
  const options = choices.options[kind], named = [...choices.models, ...choices.networks.map((network) => network.name)];
  const lists = { [SUBJECT[kind]]: [...new Set(named)] };
  const part = (type, matters) => Object.entries(options).filter(([, option]) => (option.type === "bool") === (type === "bool") && option.matters === matters);
  const drawn = (matters) => [
    el("div", { class: "fields" }, part("text", matters).map(([name, option]) => field(name, option, lists[name] ?? option.choices, name === SUBJECT[kind]))),
    ...part("bool", matters).flatMap(([name, option]) => [el("p"), el("label", { class: "check" }, el("input", { type: "checkbox", name }), option.help)]),
  ];
  return [...drawn(true), el("p"), el("details", {}, el("summary", {}, "All options"), ...drawn(false)), el("p")];
}

function field(name, option, list, required) {
  const listed = list.length ? el("datalist", { id: `list-${name}` }, list.map((value) => el("option", { value }))) : "";
  const several = option.type === "list"; // values may hold commas, so each has a line
  const input = el(several ? "textarea" : "input", { name, id: `field-${name}`, "data-type": option.type, required, autocomplete: "off", spellcheck: "false",
    rows: several ? 3 : null, list: list.length ? `list-${name}` : null, "aria-describedby": `words-${name}` });
  return el("div", {}, el("label", { for: `field-${name}` }, name.replaceAll("_", " ")), input, listed,
    el("span", { class: "soft", id: `words-${name}` }, option.help, several ? " Write each one on its own line." : ""));
}

// Numbers where the option takes one and the text is one; the service refuses the others.
function answers(made) {
  const asked = { kind: made.elements.kind.value };
  for (const input of made.querySelectorAll("[data-type]")) {
    const text = input.value.trim(), type = input.dataset.type;
    if (!text) continue;
    const isNumber = ["int", "float"].includes(type) && /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text);
    asked[input.name] = type === "list" ? text.split("\n").map((line) => line.trim()).filter(Boolean) : isNumber ? Number(text) : text;
  }
  for (const box of made.querySelectorAll("input[type=checkbox]:checked")) asked[box.name] = true;
  return asked;
}
