// stripe.js: what waits for an operator between Stripe and this service: parked events, calls and meter events, and prices that no plan has.

import { address, get, newOnce, post, put } from "/shared/api.js";
import { card, customerLink, dialog, field, h, ident, notice, number, part, table, time, words } from "/shared/ui.js";
import { changeInTwoSteps } from "./preview.js";

async function then(promise, text, reload) {
  const done = await promise;
  if (done === undefined) return;
  notice(text);
  reload();
}

const retry = (id, reload) => then(dialog({
  title: "Try it again", says: [`${id} is tried again within seconds. If it fails again, it comes back here.`],
  label: "Try again", act: () => post(address("/api/stripe/parked", id, "retry"), {}, { once: newOnce() }),
}), "It is tried again.", reload);

const dismiss = (id, reload) => then(dialog({
  title: "Dismiss it",
  says: [`${id} is not tried again. What it would have changed stays as it is.`, "The audit trail has your reason."],
  fields: [field({ name: "reason", label: "Reason", required: true, maxlength: "500" })],
  label: "Dismiss", danger: true, act: (given) => post(address("/api/stripe/parked", id, "dismiss"), given, { once: newOnce() }),
}), "It is dismissed.", reload);

const actions = (id, { mayChange, reload }) => (mayChange ? [{
  name: "Action",
  show: (row) => h("span", { class: "row" },
    h("button", { type: "button", onclick: () => retry(row[id], reload) }, "Try again …"),
    h("button", { type: "button", class: "danger", onclick: () => dismiss(row[id], reload) }, "Dismiss …")),
}] : []);

function parked(context) {
  return part(async () => {
    const found = await get("/api/stripe/parked");
    return h("div", { class: "stack" },
      card("Parked events", table({
        caption: "Events of Stripe that could not be processed", rows: found.events, empty: "None.",
        columns: [
          { name: "Event", head: true, show: (row) => ident(row.event_id) }, { name: "Type", show: (row) => row.type }, { name: "Customer", show: customerLink },
          { name: "Received", show: (row) => time(row.received_at) }, { name: "Tries", number: true, show: (row) => number(row.attempts) }, { name: "Why", show: (row) => words(row.error) },
          ...actions("event_id", context),
        ],
      }).element),
      card("Parked calls", table({
        caption: "Requests to Stripe that did not succeed", rows: found.calls, empty: "None.",
        columns: [
          { name: "Call", head: true, show: (row) => ident(row.call_id) }, { name: "Kind", show: (row) => words(row.kind) }, { name: "Customer", show: customerLink },
          { name: "Made", show: (row) => time(row.created_at) }, { name: "Tries", number: true, show: (row) => number(row.attempts) }, { name: "Why", show: (row) => row.error_message || words(row.error) },
          ...actions("call_id", context),
        ],
      }).element),
      card("Parked meter events", table({
        caption: "Use that Stripe did not count", rows: found.meter_events, empty: "None.",
        columns: [
          { name: "Meter event", head: true, show: (row) => ident(row.meter_event_id) }, { name: "Customer", show: customerLink }, { name: "Day", show: (row) => row.day },
          { name: "Metric", show: (row) => row.metric }, { name: "Value", number: true, show: (row) => row.value }, { name: "Why", show: (row) => words(row.error) },
          ...actions("meter_event_id", context),
        ],
      }).element));
  }, "Loading what is parked");
}

async function map(row, reload) {
  const { plans } = await get("/api/plans");
  const path = address("/api/stripe/prices", row.price_id);
  const mapped = await changeInTwoSteps({
    ask: {
      title: `Map ${row.price_id}`,
      fields: [field({ name: "plan", label: "The price buys", options: [...plans.map((one) => [one.plan, one.name]), ["none", "Nothing of ours"]] })],
    },
    read: (given) => ({ plan: given.plan === "none" ? null : given.plan }),
    tryOut: (wanted) => put(path, { ...wanted, dry_run: true }),
    confirm: (would, { plan }) => ({
      title: plan ? `The price buys ${plan}` : "The price is none of ours",
      says: [plan ? `${number(would.waiting)} waiting subscriptions, and ${number(would.subscriptions)} that have a plan by now, get ${plan} within seconds.`
        : `${number(would.waiting + would.subscriptions)} subscriptions have no access from now on. Stripe goes on charging them.`],
      label: "Map the price", danger: !plan,
    }),
    send: (wanted) => put(path, wanted),
    told: "The price is mapped.",
  });
  if (mapped) reload();
}

const unknown = (context) => card("Prices that no plan has", part(async () => table({
  caption: "Subscriptions that are paid at an unknown price", empty: "None: each price has its plan.",
  rows: (await get("/api/stripe/unknown-prices")).unknown_prices,
  columns: [
    { name: "Price", head: true, show: (row) => ident(row.price_id) }, { name: "Subscription", show: (row) => ident(row.stripe_subscription_id) }, { name: "Customer", show: customerLink },
    { name: "Status", show: (row) => words(row.status) }, { name: "Keeps", show: (row) => row.plan }, { name: "Since", show: (row) => time(row.first_seen_at) },
    ...(context.mayChange ? [{ name: "Action", show: (row) => h("button", { type: "button", onclick: () => map(row, context.reload).catch((fault) => notice(fault.message, "bad")) }, "Map …") }] : []),
  ],
}).element));

export const show = (context) => [
  h("header", {}, h("h1", {}, "Stripe"), h("p", { class: "muted" }, "What could not be done by itself, and waits for you.")), unknown(context), parked(context),
];
