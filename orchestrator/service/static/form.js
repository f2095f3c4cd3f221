// The form of a new search: the command's own options, the plan before anything is started. It may begin with
// the options of an earlier study. What is wrong is told at its field, by the browser or by the service.
import { ask, at } from "./api.js";
import { el, say, select, show } from "./dom.js";

const SUBJECT = { nas: "base", hpo: "model" };

export async function form(main, signal, again = null) {
  const [choices, before] = await Promise.all([ask("/choices"), again && earlier(again)]);
  if (signal.aborted) return;
  const fields = el("div"), plan = el("div", { "aria-live": "polite" }), wrong = el("p", { class: "wrong", role: "alert" });
  const check = el("button", { class: "main" }, "Show the plan"), start = el("button", { type: "button", disabled: true }, "Start the search");
  const made = el("form", { class: "card", novalidate: true, "aria-label": "New search" }, kinds(before?.kind), fields, wrong, el("div", { class: "row" }, check, start));
  const changed = () => { start.disabled = true; start.className = ""; show(plan); wrong.textContent = ""; mark(made, []); };
  const draw = () => { show(fields, questions(choices, made.elements.kind.value)); changed(); };
  const busy = async (act) => {
    check.disabled = start.disabled = true;
    wrong.textContent = "";
    const bad = [...made.querySelectorAll("[data-type]")].filter((input) => !input.validity.valid);
    let errors = bad.map((input) => ({ field: input.name, message: input.validationMessage }));
    try { if (!errors.length) await act(); } catch (error) {
      errors = error.errors ?? [];
      if (!errors.some(({ field }) => made.elements[field])) wrong.textContent = error.message;
    } finally { check.disabled = false; }
    mark(made, errors);
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
  show(main, el("h1", {}, again ? `New search with the options of ${again}` : "New search"), el("p", { class: "soft" }, queueText(choices.at_a_time)), made, plan);
  draw();
  if (before) fill(made, before.options);
}

// Return the kind and the options of a study's search, and a name that no study has.
async function earlier(name) {
  const [told, all] = await Promise.all([ask(`/studies${at(name)}`), ask("/studies")]);
  const taken = new Set(all.map((row) => row.name));
  let number = 2;
  while (taken.has(`${name}-${number}`)) number++;
  return { kind: told.kind, options: { ...told.options, [SUBJECT[told.kind]]: told.subject, study: `${name}-${number}` } };
}

function fill(made, options) {
  const fixed = [];
  for (const [name, value] of Object.entries(options)) {
    const input = made.elements[name];
    if (!input) { fixed.push(name); continue; }
    if (input.type === "checkbox") input.checked = value;
    else input.value = Array.isArray(value) ? value.join("\n") : String(value);
    const folded = input.closest("details");
    if (folded) folded.open = true;
  }
  if (fixed.length) made.querySelector("[role=alert]").textContent = `Set where the service or the command starts, so not taken over: ${fixed.join(", ")}.`;
}

// Tell at each field what is wrong with it, and lead to the first.
function mark(made, errors) {
  for (const place of made.querySelectorAll("[id^=wrong-]")) place.textContent = "";
  for (const input of made.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  const known = errors.filter(({ field }) => made.querySelector(`#wrong-${CSS.escape(field)}`));
  for (const { field, message } of known) {
    made.querySelector(`#wrong-${CSS.escape(field)}`).textContent = message;
    made.elements[field].setAttribute("aria-invalid", "true");
  }
  const first = [...made.querySelectorAll("[aria-invalid]")][0];
  if (!first) return;
  const folded = first.closest("details");
  if (folded) folded.open = true;
  first.focus();
}

const queueText = (count) => `Searches wait in a queue; ${count === 1 ? "one runs" : `${count} run`} at a time. An empty field means the value in brackets.`;

function kinds(kind = "nas") {
  const radio = (value, text, checked) => el("label", { class: "check" }, el("input", { type: "radio", name: "kind", value, checked }), text);
  return el("fieldset", {}, el("legend", {}, "Kind of search"), radio("nas", "architecture search: the smallest network that is accurate enough (nas-search)", kind === "nas"),
    radio("hpo", "hyperparameter search: the most accurate training (hpo-search)", kind === "hpo"));
}

function questions(choices, kind) {
  const options = choices.options[kind], named = [...choices.models, ...choices.networks.map((network) => network.name)];
  const lists = { [SUBJECT[kind]]: [...new Set(named)] };
  const part = (type, matters) => Object.entries(options).filter(([, option]) => (option.type === "bool") === (type === "bool") && option.matters === matters);
  const drawn = (matters) => [
    el("div", { class: "fields" }, part("text", matters).map(([name, option]) => field(name, option, lists[name] ?? option.choices, name === SUBJECT[kind]))),
    ...part("bool", matters).flatMap(([name, option]) => [el("p"), el("label", { class: "check" }, el("input", { type: "checkbox", name, "aria-describedby": `wrong-${name}` }), option.help), wrongAt(name)]),
  ];
  return [...drawn(true), el("p"), el("details", {}, el("summary", {}, "All options"), ...drawn(false)), el("p")];
}

function field(name, option, list, required) {
  const several = option.type === "list"; // values may hold commas, so each has a line
  const usual = /\[([^\]]*)\]$/.exec(option.help)?.[1] ?? "", isNumber = ["int", "float"].includes(option.type);
  const own = { name, id: `field-${name}`, "data-type": option.type, required, autocomplete: "off", "aria-describedby": `words-${name} wrong-${name}` };
  const listed = list.length && !option.closed;
  const typed = { ...own, spellcheck: "false", rows: several ? 3 : null, list: listed ? `list-${name}` : null, placeholder: several ? null : usual };
  if (isNumber) Object.assign(typed, { type: "number", min: option.least, max: option.most, step: option.type === "int" ? 1 : "any" });
  const input = option.closed ? select(own, [["", usual ? `usual: ${usual}` : "not given"], ...list.map((value) => [value, value])]) : el(several ? "textarea" : "input", typed);
  return el("div", {}, el("label", { for: `field-${name}` }, name.replaceAll("_", " ")), input,
    listed ? el("datalist", { id: `list-${name}` }, list.map((value) => el("option", { value }))) : "", wrongAt(name),
    el("span", { class: "soft", id: `words-${name}` }, option.help, several ? " Write each one on its own line." : ""));
}

const wrongAt = (name) => el("span", { class: "wrong", id: `wrong-${name}` });

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
