"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const place = document.currentScript.dataset.document;

/** An element with attributes and children; texts are never markup. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function resolved(schema, api) {
  const key = schema?.$ref?.replace("#/components/schemas/", "");
  return key === undefined ? schema : api.components.schemas[key];
}

/** What somebody might send: the first of everything. */
function example(given, api, depth = 0) {
  const schema = resolved(given, api);
  if (schema === undefined || depth > 8) return null;
  if (schema.enum) return schema.enum[0];
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice) return example(choice[0], api, depth + 1);
  switch (schema.type) {
    case "object": {
      const shown = {};
      for (const [name, each] of Object.entries(schema.properties ?? {})) {
        shown[name] = example(each, api, depth + 1);
      }
      return shown;
    }
    case "array":
      if (schema.prefixItems) return schema.prefixItems.map((each) => example(each, api, depth + 1));
      return [example(schema.items, api, depth + 1)];
    case "integer":
    case "number":
      return Math.max(0, schema.minimum ?? 0);
    case "boolean":
      return true;
    case "string":
      return schema.maxLength === 1 ? "a" : "text";
    default:
      return null;
  }
}

function kindOf(schema) {
  return schema.enum ? schema.enum.join(" | ") : schema.type ?? "any";
}

function bodyFields(operation, api) {
  const content = operation.requestBody?.content;
  if (!content) return [];
  const kinds = Object.keys(content);
  const area = make("textarea", { name: "body", rows: 6 });
  const select = make("select", { name: "kind" }, ...kinds.map((kind) => make("option", {}, kind)));
  const show = () => {
    const value = example(content[select.value].schema, api);
    const isForm = select.value === "application/x-www-form-urlencoded";
    const isText = select.value.startsWith("text/") || select.value === "application/octet-stream";
    if (isForm) area.value = new URLSearchParams(value).toString();
    else area.value = isText ? "text" : JSON.stringify(value, null, 2);
  };
  select.addEventListener("change", show);
  show();
  return [make("label", { for: "kind" }, "body"), select, make("div", { class: "wide" }, area)];
}

function requestOf(path, method, operation, form) {
  let url = path;
  const query = new URLSearchParams();
  const headers = {};
  const fields = new FormData(form);
  for (const each of operation.parameters ?? []) {
    const value = fields.get(`${each.in}.${each.name}`);
    if (value === "" && each.in !== "path") continue;
    if (each.in === "path") url = url.replace(`{${each.name}}`, encodeURIComponent(value));
    if (each.in === "header") headers[each.name] = value;
    if (each.in === "query") {
      const parts = each.schema.type === "array" ? value.split(",") : [value];
      for (const part of parts) query.append(each.name, part);
    }
  }
  const authorization = document.getElementById("authorization").value;
  if (authorization) headers.authorization = authorization;
  const options = { method: method.toUpperCase(), headers };
  if (fields.has("body")) {
    headers["content-type"] = fields.get("kind");
    options.body = fields.get("body");
  }
  const asked = query.toString();
  return [asked ? `${url}?${asked}` : url, options];
}

async function send(url, options, shown) {
  shown.className = "";
  shown.textContent = "…";
  try {
    const started = performance.now();
    const response = await fetch(url, options);
    const text = await response.text();
    const took = Math.round(performance.now() - started);
    const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    const body = isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
    if (!response.ok) shown.className = "failed";
    shown.textContent = [`${response.status} in ${took} ms`, ...lines, "", body].join("\n");
  } catch (error) {
    shown.className = "failed";
    shown.textContent = String(error);
  }
}

function operationView(path, method, operation, api) {
  const shown = make("pre", {}, "not sent yet");
  const rows = (operation.parameters ?? []).flatMap((each) => [
    make("label", {}, each.name, " ", make("small", {}, `${each.in}, ${kindOf(each.schema)}`)),
    make("input", { name: `${each.in}.${each.name}`, required: each.required === true }),
  ]);
  const form = make("form", {
    onsubmit: (event) => {
      event.preventDefault();
      send(...requestOf(path, method, operation, form), shown);
    },
  }, ...rows, ...bodyFields(operation, api), make("button", { class: "wide" }, "Send"));
  const answers = Object.entries(operation.responses).map(([status, response]) => {
    const kinds = Object.keys(response.content ?? {}).join(", ");
    return make("li", {}, `${status}: ${response.description}${kinds ? ` (${kinds})` : ""}`);
  });
  const secured = operation.security?.length ? " 🔒" : "";
  return make("details", { class: method },
    make("summary", {}, make("b", {}, method.toUpperCase()), path, secured),
    form, make("ul", {}, ...answers), shown);
}

async function show() {
  const api = await (await fetch(place)).json();
  document.title = `${api.info.title} ${api.info.version}`;
  document.getElementById("title").textContent = document.title;
  const views = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) =>
      operationView(path, method, item[method], api)));
  document.getElementById("operations").append(...views);
  const schemas = Object.entries(api.components?.schemas ?? {}).map(([name, schema]) =>
    make("details", {}, make("summary", {}, name), make("pre", {}, JSON.stringify(schema, null, 2))));
  document.getElementById("schemas").append(make("h2", {}, "Schemas"), ...schemas);
}

show();
