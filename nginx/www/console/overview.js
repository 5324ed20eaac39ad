// overview.js: the first page: what needs a hand, and what is new.

import { get } from "/shared/api.js";
import { ago, badge, card, h, part, table, title, words } from "/shared/ui.js";
import { readiness } from "./health.js";

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

const state = () => card("Service", part(async () => {
  const told = await readiness();
  const faults = Object.entries(told.checks).filter(([, check]) => !check.ok);
  return h("div", { class: "stack" }, h("p", {}, badge(told.status)),
    faults.length === 0 ? h("p", { class: "muted" }, "All checks are fine.") :
      h("ul", {}, faults.map(([name, check]) => h("li", {}, h("strong", {}, words(name)), `: ${check.detail}`))));
}), h("p", {}, h("a", { href: "#/health" }, "All checks")));

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
  return [h("header", {}, h("h1", {}, "Overview")), h("div", { class: "grid" }, newest(), h("div", { class: "stack" }, state(), latest()))];
}
