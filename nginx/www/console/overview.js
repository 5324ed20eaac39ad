// overview.js: the first page: how much comes in, who may leave, whose trial ends, and what needs an operator.

import { get } from "/shared/api.js";
import { ago, badge, card, customerLink, h, month, number, part, table, title, words } from "/shared/ui.js";
import { readiness } from "./health.js";
import { definitions, figure, figures } from "./revenue.js";

const name = (row) => row.company_name || row.email || row.customer_id;
const link = (row) => (row.customer_id ? h("a", { href: `#/customer/${row.customer_id}` }, name(row)) : null);

const COUNTS = [
  ["customers", "Customers", "#/customers"], ["trials_open", "Open trials", "#/trials"], ["trials_ending", "Trials ending in a week", "#/trials"],
  ["past_due", "Failed payments", "#/customers?status=past_due"], ["ending", "Cancelled, still running"],
  ["contracts", "Contracts", "#/renewals"], ["contracts_ending", "Contracts ending", "#/renewals"],
  ["uncounted", "Not fully counted in MRR"],
];

const summary = () => part(async () => {
  const { currencies, counts, definition } = await get("/api/analytics/summary");
  return h("div", { class: "stack" },
    currencies.length === 0 ? h("p", { class: "message" }, "No customer pays yet: the first paid subscription or contract shows here.") : null,
    currencies.map((one) => h("div", { class: "stack" },
      h("p", { class: "spread" }, h("strong", {}, `${month(one.month)}, ${one.currency.toUpperCase()}`), h("a", { href: `#/revenue?currency=${one.currency}` }, "Revenue by month")),
      figures(one))),
    h("div", { class: "figures small" }, COUNTS.filter(([key]) => counts[key] !== undefined).map(([key, label, place]) =>
      figure(label, place ? h("a", { href: place }, number(counts[key])) : number(counts[key])))),
    definitions(definition));
}, "Loading the numbers");

const attention = () => card("Needs attention", part(async () => {
  const [told, { items }] = await Promise.all([readiness(), get("/api/analytics/attention")]);
  const faults = Object.entries(told.checks).filter(([, check]) => !check.ok);
  const rows = [
    ...faults.map(([check, found]) => ({ what: h("a", { href: "#/health" }, title(check)), who: null, detail: found.detail, since: null })),
    ...items.map((one) => ({ what: title(one.kind), who: link(one) ?? h("code", {}, one.subject), detail: words(one.detail), since: one.since })),
  ];
  if (rows.length === 0) return h("p", { class: "row" }, badge("nothing", "good"), h("span", { class: "muted" }, "The service is well, and nothing waits for you."));
  return table({
    caption: "What needs attention, oldest first", hideCaption: true, rows,
    columns: [
      { name: "What", head: true, show: (row) => row.what }, { name: "Whose", show: (row) => row.who },
      { name: "Detail", show: (row) => row.detail }, { name: "Since", show: (row) => ago(row.since, { none: "–" }) },
    ],
  }).element;
}), h("p", {}, h("a", { href: "#/stripe" }, "What is parked between Stripe and the service")));

const newest = () => card("Newest customers", part(async () => {
  const { customers } = await get("/api/customers?limit=8");
  return table({
    caption: "Customers, newest first", hideCaption: true, rows: customers, empty: "There is no customer yet.",
    columns: [
      { name: "Customer", head: true, show: link }, { name: "Plan", show: (row) => row.plan },
      { name: "Status", show: (row) => (row.status ? badge(row.status) : "–") }, { name: "Since", show: (row) => ago(row.created_at) },
    ],
  }).element;
}), h("p", {}, h("a", { href: "#/customers" }, "All customers")));

const latest = () => card("Latest changes", part(async () => {
  const { entries } = await get("/api/audit?limit=8");
  return table({
    caption: "Changes, newest first", hideCaption: true, rows: entries,
    columns: [
      { name: "Change", head: true, show: (row) => title(row.action) },
      { name: "Customer", show: customerLink },
      { name: "When", show: (row) => ago(row.happened_at) },
    ],
  }).element;
}), h("p", {}, h("a", { href: "#/audit" }, "The whole audit trail")));

export async function show() {
  const made = [h("header", {}, h("h1", {}, "Overview")), summary(), attention(), h("div", { class: "grid" }, newest(), latest())];
  // All parts together, so that none pushes another down; a slow one comes later.
  const parts = made.flatMap((one) => [one, ...one.querySelectorAll("*")]).filter((one) => one.ready);
  await Promise.race([Promise.all(parts.map((one) => one.ready)), new Promise((resolve) => setTimeout(resolve, 1500))]);
  return made;
}
