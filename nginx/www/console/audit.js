// audit.js: the audit trail, newest first.

import { pages } from "/shared/api.js";
import { customerLink, field, h, ident, pagedTable, part, time, values, title, words } from "/shared/ui.js";

const LONG = 90;

/** The values that the entry changed, folded where they are many. */
export function difference(entry) {
  if (!entry.before && !entry.after) return entry.detail || "–";
  const value = (side, name) => JSON.stringify(side?.[name] ?? null);
  const names = [...new Set([...Object.keys(entry.before || {}), ...Object.keys(entry.after || {})])]
    .filter((name) => value(entry.before, name) !== value(entry.after, name));
  const said = names.map((name) => `${words(name)}: ${value(entry.before, name)} → ${value(entry.after, name)}`).join("; ");
  return h("div", {}, entry.detail ? h("p", {}, entry.detail) : null,
    said.length > LONG ? h("details", {}, h("summary", {}, `${names.length} ${names.length === 1 ? "value" : "values"}`), h("code", {}, said)) : h("code", {}, said));
}

/** The id of what was changed. */
export const subject = (entry) => (entry.subject ? ident(entry.subject) : "–");

/** The table of entries; `filter` as the API takes it. */
const auditTable = (filter) => part(() => pagedTable({
  caption: "Entries, newest first",
  empty: "There is no such entry.",
  columns: [
    { name: "Time", head: true, show: (row) => time(row.happened_at) },
    { name: "Action", show: (row) => title(row.action) },
    { name: "By", show: (row) => ident(row.actor) },
    { name: "Customer", show: (row) => customerLink(row) },
    { name: "Subject", show: subject },
    { name: "What changed", wide: true, show: difference },
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
