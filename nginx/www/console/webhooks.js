// webhooks.js: the vendor's own receivers of events: endpoints, deliveries, and sending again.

import { address, get, newOnce, pages, patch, post, remove } from "/shared/api.js";
import { ago, badge, card, dialog, errorBox, facts, field, h, notice, number, pagedTable, part, secret, table, time } from "/shared/ui.js";

const ENDPOINTS = "/api/webhook-endpoints";
const state = (one) => (!one.enabled ? badge("disabled") : one.failing_since ? badge("failing", "bad") : badge("enabled"));
const secrets = (made) => h("div", { class: "stack" }, secret(made.secret, "Secret (HMAC-SHA256)"),
  h("p", { class: "small" }, "Or verify with the public key: ", h("code", {}, made.public_key)));
const types = (text) => (text || "*").split(/[\s,]+/).filter(Boolean);

async function then(promise, text, reload) {
  const done = await promise;
  if (done === undefined) return;
  if (text) notice(typeof text === "function" ? text(done) : text);
  reload();
}

const add = (reload) => then(dialog({
  title: "Add an endpoint",
  says: ["Events from now on are sent to this address, signed by the Standard Webhooks specification.", "The secret is shown once."],
  fields: [
    field({ name: "url", label: "Address", type: "url", required: true, help: "https, and a public address" }),
    field({ name: "types", label: "Events", value: "*", help: "Names separated by blanks, or * for all" }),
    field({ name: "description", label: "Description", maxlength: "500" }),
  ],
  label: "Add",
  act: async (given) => secrets(await post(ENDPOINTS, { ...given, types: types(given.types) }, { once: newOnce() })),
}), "The endpoint is added.", reload);

async function list({ mayChange, reload }) {
  const { endpoints } = await get(ENDPOINTS);
  return h("div", { class: "card" }, h("h2", {}, "Endpoints"),
    table({
      caption: "Endpoints", hideCaption: true, rows: endpoints, empty: "No endpoint is set up. Events stay in the log.",
      columns: [
        { name: "Address", head: true, show: (row) => h("a", { href: `#/webhooks/${row.endpoint_id}` }, row.url) },
        { name: "For", show: (row) => row.description },
        { name: "State", show: state },
        { name: "Events", show: (row) => (row.types.includes("*") ? "all" : row.types.join(", ")) },
        { name: "Waiting", number: true, show: (row) => number(row.pending) },
        { name: "Last success", show: (row) => ago(row.last_success_at) },
      ],
    }).element,
    mayChange ? h("div", { class: "row" }, h("button", { type: "button", onclick: () => add(reload) }, "Add an endpoint …")) : null);
}

/* A call reads 1000 events; of few types it sends only some of them again. */
async function replayRange(path, range) {
  let replayed = 0, cursor = null, calls = 0;
  do {
    const done = await post(`${path}/replay`, cursor === null ? range : { ...range, cursor }, { once: newOnce() });
    replayed += done.replayed;
    cursor = done.next_cursor;
  } while (cursor !== null && replayed < 1000 && ++calls < 20);
  return { replayed, ended: cursor === null };
}

const replayed = (done) => `${number(done.replayed)} ${done.replayed === 1 ? "event is" : "events are"} sent again.${
  done.ended ? "" : " The range has more: send it again from a later day."}`;

const replay = (path, one, reload) => then(dialog({
  title: "Send events again",
  says: ["Each event keeps its webhook-id, so the receiver can recognise it.", "One event, or those of a range of time: at most 2000 events are sent again, and at most 20 000 events of the range are searched."],
  fields: [
    field({ name: "event_id", label: "Event's id", help: "As evt_…; else the range below" }),
    field({ name: "from", label: "From", type: "date" }),
    field({ name: "to", label: "Before", type: "date" }),
  ],
  label: "Send again",
  act: ({ event_id, from, to }) => replayRange(path, event_id ? { event_id } : { ...(from ? { from: `${from}T00:00:00Z` } : {}), ...(to ? { to: `${to}T00:00:00Z` } : {}) }),
}), replayed, reload);

const rotate = (path, reload) => then(dialog({
  title: "Rotate the secret",
  says: ["A new secret signs from now on. The present one signs too for 24 hours.", "The new one is shown once."],
  label: "Rotate", act: async () => secrets(await post(`${path}/rotate`, {}, { once: newOnce() })),
}), null, reload);

const toggle = (path, one, reload) => then(dialog({
  title: one.enabled ? "Switch the endpoint off" : "Switch the endpoint on",
  says: [one.enabled ? "Nothing is sent until it is switched on again. Events stay in the log." : "It gets what it has missed, and new events."],
  label: one.enabled ? "Switch off" : "Switch on", act: () => patch(path, { enabled: !one.enabled }),
}), one.enabled ? "The endpoint is off." : "The endpoint is on.", reload);

async function drop(path) {
  const done = await dialog({
    title: "Remove the endpoint", says: ["Nothing is sent to it any more, and what waits for it is dropped.", "This cannot be undone."],
    label: "Remove", danger: true, act: () => remove(path),
  });
  if (done !== undefined) location.hash = "#/webhooks";
}

const again = (path, row, reload) => then(dialog({
  title: "Send this event again", says: [`${row.type} goes to the endpoint once more, under the same id.`],
  label: "Send again", act: () => post(`${path}/replay`, { event_id: row.event_id }, { once: newOnce() }),
}), "The event is sent again.", reload);

function deliveries(path, { mayChange, reload }) {
  const place = h("div");
  const choice = field({ name: "state", label: "State", options: [["", "Any"], ["pending", "pending"], ["delivered", "delivered"], ["failed", "failed"]] });
  const draw = () => place.replaceChildren(part(() => pagedTable({
    caption: "Deliveries, newest first", empty: "There is no such delivery.",
    columns: [
      { name: "Event", head: true, show: (row) => h("span", {}, row.type, h("br"), h("code", { class: "small muted" }, row.event_id)) },
      { name: "State", show: (row) => badge(row.state) },
      { name: "Attempts", number: true, show: (row) => number(row.attempts) },
      { name: "Last attempt", show: (row) => ago(row.attempted_at) },
      { name: "Answer", show: (row) => h("span", {}, row.status ?? row.reason ?? "–", row.status ? ` in ${number(row.took_ms)} ms` : "",
        row.answer ? h("details", {}, h("summary", {}, "Text"), h("code", {}, row.answer)) : null) },
      { name: "Next attempt", show: (row) => ago(row.due_at, { none: "–" }) },
      ...(mayChange ? [{ name: "Action", show: (row) => (row.type === "endpoint.test" ? "–" : h("button", { type: "button", onclick: () => again(path, row, reload) }, "Replay …")) }] : []),
    ],
  }, pages(`${path}/deliveries`, { state: choice.querySelector("select").value, limit: 25 }, "deliveries"))));
  choice.addEventListener("change", draw);
  draw();
  return h("div", { class: "card" }, h("h2", {}, "Deliveries"), h("div", { class: "filters" }, choice), place);
}

async function one(context) {
  const path = address(ENDPOINTS, context.parts[0]);
  const { endpoint } = await get(path);
  const button = (text, run, kind) => h("button", { type: "button", class: kind, onclick: run }, text);
  return [
    h("header", {}, h("p", { class: "small" }, h("a", { href: "#/webhooks" }, "Webhooks")), h("h1", {}, endpoint.url), h("p", { class: "row" }, state(endpoint), h("span", { class: "muted" }, endpoint.description))),
    card("Endpoint", facts([
      ["Events", endpoint.types.includes("*") ? "all" : endpoint.types.join(", ")], ["Waiting", number(endpoint.pending)],
      ["Last success", ago(endpoint.last_success_at)], ["Last failure", ago(endpoint.last_failure_at)],
      endpoint.failing_since && ["Failing since", time(endpoint.failing_since)], endpoint.disabled_reason && ["Off because", endpoint.disabled_reason],
      endpoint.old_secret_until && ["Old secret until", time(endpoint.old_secret_until)],
    ]), context.mayChange ? h("div", { class: "row" },
      button("Send a test …", () => then(dialog({ title: "Send a test", says: ["One event of the type endpoint.test is sent within a second."], label: "Send", act: () => post(`${path}/test`, {}, { once: newOnce() }) }), "The test is on its way.", context.reload)),
      button("Replay …", () => replay(path, endpoint, context.reload)),
      button("Rotate …", () => rotate(path, context.reload)),
      button(endpoint.enabled ? "Switch off …" : "Switch on …", () => toggle(path, endpoint, context.reload)),
      button("Remove …", () => drop(path), "danger")) : null),
    deliveries(path, context),
  ];
}

export async function show(context) {
  if (context.parts.length > 0) return one(context).catch((fault) => [h("h1", {}, "Webhooks"), errorBox(fault, context.reload)]);
  return [h("header", {}, h("h1", {}, "Webhooks"), h("p", { class: "muted" }, "Other programs that are told of each change.")), part(() => list(context))];
}
