// overview.js: the first page: how much comes in, what needs a hand, and what is new.

import { get } from "/shared/api.js";
import { ago, badge, card, h, month, part, table, title } from "/shared/ui.js";
import { readiness } from "./health.js";
import { figures } from "./revenue.js";

/** The present month of each currency. */
const revenue = () => part(async () => {
  const now = new Date().toISOString().slice(0, 7);
  const { months } = await get(`/api/analytics/revenue?from=${now}&to=${now}`);
  if (months.length === 0) return h("p", { class: "message" }, "No customer pays yet: the first paid subscription shows here.");
  return h("div", { class: "stack" }, months.map((one) => h("div", { class: "stack" },
    h("p", { class: "spread" }, h("strong", {}, `${month(one.month)}, ${one.currency.toUpperCase()}`), h("a", { href: `#/revenue?currency=${one.currency}` }, "Revenue by month")), figures(one))));
}, "Loading the revenue");

const newest = () => card("Newest customers", part(async () => {
  const { customers } = await get("/api/customers?limit=8");
  return table({
    caption: "Newest customers", hideCaption: true, rows: customers, empty: "There is no customer yet.",
    columns: [
      { name: "Customer", head: true, show: (row) => h("a", { href: `#/customer/${row.customer_id}` }, row.company_name || row.email || row.customer_id) },
      { name: "Plan", show: (row) => row.plan },
      { name: "Status", show: (row) => (row.status ? badge(row.status) : "–") },
      { name: "Since", show: (row) => ago(row.created_at) },
    ],
  }).element;
}), h("p", {}, h("a", { href: "#/customers" }, "All customers")));

/** Lists of customers and parts of the service that may need a hand. */
const attention = () => card("Needs a hand", part(async () => {
  const [told, failed, unpaid, { endpoints }] = await Promise.all([
    readiness(), get("/api/customers?status=past_due&limit=100"), get("/api/customers?status=unpaid&limit=100"), get("/api/webhook-endpoints"),
  ]);
  const many = (found) => `${found.customers.length}${found.next_cursor ? " or more" : ""}`;
  const found = [
    ...Object.entries(told.checks).filter(([, check]) => !check.ok).map(([name, check]) => [title(name), check.detail, "#/health"]),
    failed.customers.length > 0 && ["Failed payments", `${many(failed)}: Stripe tries again`, "#/customers?status=past_due"],
    unpaid.customers.length > 0 && ["Unpaid", many(unpaid), "#/customers?status=unpaid"],
    ...endpoints.filter((one) => !one.enabled && one.disabled_reason !== "operator" || one.failing_since).map((one) => ["Webhook fails", one.url, `#/webhooks/${one.endpoint_id}`]),
  ].filter(Boolean);
  if (found.length === 0) return h("p", { class: "row" }, badge("nothing", "good"), h("span", { class: "muted" }, "The service is well, and no payment waits."));
  return h("ul", {}, found.map(([name, detail, place]) => h("li", {}, h("a", { href: place }, name), `: ${detail}`)));
}));

const latest = () => card("Latest changes", part(async () => {
  const { entries } = await get("/api/audit?limit=8");
  return table({
    caption: "Latest changes", hideCaption: true, rows: entries,
    columns: [
      { name: "Change", head: true, show: (row) => title(row.action) },
      { name: "Customer", show: (row) => (row.customer_id ? h("a", { href: `#/customer/${row.customer_id}` }, h("code", {}, `${row.customer_id.slice(0, 13)}…`)) : "–") },
      { name: "When", show: (row) => ago(row.happened_at) },
    ],
  }).element;
}), h("p", {}, h("a", { href: "#/audit" }, "The whole audit trail")));

export function show() {
  return [h("header", {}, h("h1", {}, "Overview")), revenue(),
    h("div", { class: "grid" }, h("div", { class: "stack" }, attention(), newest()), latest())];
}
