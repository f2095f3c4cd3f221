// The REST API as openapi.json describes it: one section an address, with parameters, body and answers.
import { ask } from "./api.js";
import { el, show, table } from "./dom.js";

export async function docs(main, signal) {
  const told = await ask("/openapi.json");
  if (signal.aborted) return;
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  const all = Object.entries(told.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => [method.toUpperCase(), path, one]));
  show(main, el("h1", {}, `REST API of ${told.info.title} ${told.info.version}`),
    el("p", { class: "soft" }, "A script sends bodies as JSON, and the token, if the service has one, as the header ", el("code", {}, "authorization: Bearer TOKEN"),
      ". The description for programs is ", el("code", {}, `${base}/api/openapi.json`), "."),
    all.map(([method, path, one]) => el("details", { class: "card", name: "operation" }, el("summary", {}, el("code", {}, `${method} ${path}`), ` ${one.summary}`),
      operation(told, base, method, path, one))));
}

function operation(told, base, method, path, one) {
  const bodies = models(one.requestBody?.content["application/json"].schema ?? {}).map((ref) => [ref.split("/").at(-1), told.components.schemas[ref.split("/").at(-1)]]);
  const sent = method === "GET" ? "" : ` -X ${method}${bodies.length ? " -H 'content-type: application/json' -d '{…}'" : ""}`;
  const answers = Object.entries(one.responses).map(([status, { description }]) => line(status, "", description));
  return [el("pre", { tabindex: 0, "aria-label": "Command" }, `curl -s${sent} '${base}${path}'`),
    rows("Parameters", (one.parameters ?? []).map((each) => line(each.name, `${kind(each.schema)}, in the ${each.in}`, each.description ?? "", each.schema.default))),
    ...bodies.map(([name, body]) => rows(`Body: ${name}`, Object.entries(body.properties).map(([key, each]) =>
      line(key, kind(each) + (body.required?.includes(key) ? ", required" : ""), each.description ?? "", each.default)))),
    rows("Answers", answers)];
}

const models = (schema) => (schema.$ref ? [schema.$ref] : (schema.oneOf ?? schema.anyOf ?? []).flatMap(models));
const kind = (schema) => (schema.enum ? schema.enum.join(", ") : schema.const ?? schema.type ?? (schema.anyOf ?? []).map(kind).filter((word) => word !== "null").join(" or "));
const line = (name, type, text, usual) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, type),
  el("td", {}, text, usual === undefined || usual === null || text.endsWith("]") ? "" : ` [${usual}]`));
const rows = (caption, made) => (made.length ? el("div", { class: "table", tabindex: 0, role: "group", "aria-label": caption }, table(caption, [["Name"], ["Type"], ["Meaning"]], made)) : "");
