// renewals.js: contracts and long subscriptions that end or are billed again soon.

import { get, pages } from "/shared/api.js";
import { ago, badge, card, field, h, pagedTable, part, time } from "/shared/ui.js";
import { decimals, definitions } from "./revenue.js";

export async function show({ query }) {
  const days = query.get("days") || "90";
  const choice = field({ name: "days", label: "Within", options: [["30", "30 days"], ["90", "90 days"], ["180", "half a year"], ["365", "a year"]], value: days, onchange: (event) => { location.hash = `#/renewals?days=${event.target.value}`; } });
  const { definition } = await get("/api/analytics/renewals?limit=1");
  return [
    h("header", {}, h("h1", {}, "Renewals"), h("p", { class: "muted" }, "Contracts, and subscriptions that are billed for three months or longer.")),
    card("Next", h("div", { class: "filters" }, choice), part(() => pagedTable({
      caption: "Renewals, the next one first", empty: "None in this time.",
      columns: [
        { name: "Customer", head: true, show: (row) => h("a", { href: `#/customer/${row.customer_id}` }, row.company_name || row.email || row.customer_id) },
        { name: "When", show: (row) => h("span", {}, time(row.at, { day: true }), " ", h("span", { class: "muted" }, ago(row.at))) },
        { name: "Kind", show: (row) => row.kind }, { name: "Plan", show: (row) => row.plan },
        { name: "Then", show: (row) => (row.ends ? badge("ends", "warn") : badge("renews", "good")) },
        { name: "MRR", number: true, show: (row) => decimals(row.mrr, row.currency) },
      ],
    }, pages("/api/analytics/renewals", { days, limit: 50 }, "renewals"))), definitions(definition)),
  ];
}
