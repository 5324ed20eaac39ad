// audit.js: the audit trail, newest first, and the part of it that is about one customer.

import { pages } from "/shared/api.js";
import { field, h, pagedTable, part, time, values, title, words } from "/shared/ui.js";

const difference = (entry) => {
  if (!entry.before && !entry.after) return entry.detail || "–";
  const names = new Set([...Object.keys(entry.before || {}), ...Object.keys(entry.after || {})]);
  const said = [...names].filter((name) => JSON.stringify(entry.before?.[name]) !== JSON.stringify(entry.after?.[name]))
    .map((name) => `${words(name)}: ${JSON.stringify(entry.before?.[name] ?? null)} → ${JSON.stringify(entry.after?.[name] ?? null)}`);
  return h("span", {}, entry.detail ? h("span", {}, entry.detail, h("br")) : null, h("code", {}, said.join("; ")));
};

/** The table of entries; `filter` as the API takes it. */
export const auditTable = (filter) => part(() => pagedTable({
  caption: "Entries, newest first",
  empty: "There is no such entry.",
  columns: [
    { name: "Time", head: true, show: (row) => time(row.happened_at) },
    { name: "Action", show: (row) => title(row.action) },
    { name: "By", show: (row) => h("code", {}, row.actor) },
    ...(filter.customer_id ? [] : [{ name: "Customer", show: (row) => (row.customer_id ? h("a", { href: `#/customer/${row.customer_id}` }, h("code", {}, `${row.customer_id.slice(0, 13)}…`)) : "–") }]),
    { name: "Subject", show: (row) => (row.subject ? h("code", {}, row.subject) : "–") },
    { name: "What changed", show: difference },
  ],
}, pages("/api/audit", { limit: 50, ...filter }, "entries")), "Loading the audit trail");

export async function show({ query }) {
  const place = h("div");
  const form = h("form", { class: "filters", role: "search" },
    field({ name: "action", label: "Action", value: query.get("action") || "", help: "As license_revoke" }),
    field({ name: "actor", label: "By", value: query.get("actor") || "", help: "As operator:key_… or system:jobs" }),
    field({ name: "customer_id", label: "Customer's id", value: query.get("customer_id") || "" }),
    h("button", { type: "submit" }, "Search"));
  const search = () => place.replaceChildren(auditTable(values(form)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  search();
  return [h("header", {}, h("h1", {}, "Audit trail"), h("p", { class: "muted" }, "Each change, who made it, and what was before and after.")),
    h("div", { class: "card stack" }, form, place)];
}
