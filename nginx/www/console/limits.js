// limits.js: customers who are near a limit of their plan, or over it: those who outgrow it.

import { get, pages } from "/shared/api.js";
import { ago, card, day, field, h, meter, number, pagedTable, part } from "/shared/ui.js";
import { chart } from "/shared/charts.js";
import { definitions, saveCsv } from "./revenue.js";

// The others are metrics, named as in the file of plans.
const NAMES = { devices: "Devices", instances: "Installations" };

const near = (above) => part(() => pagedTable({
  caption: "The highest share first", empty: "No customer is so near a limit.",
  columns: [
    { name: "Customer", head: true, show: (row) => h("a", { href: `#/customer/${row.customer_id}` }, row.company_name || row.email || row.customer_id) },
    { name: "Limit", show: (row) => NAMES[row.limit] ?? row.limit },
    { name: "Used", show: (row) => meter(Number(row.used), row.max, NAMES[row.limit] ?? row.limit) },
    { name: "Share", number: true, show: (row) => `${number(row.percent)} %` },
    { name: "Measured", show: (row) => ago(row.measured_at) },
  ],
}, pages("/api/analytics/limits", { above, limit: 50 }, "limits")), "Loading the limits");

/** The use of all customers together. */
async function use(metric) {
  const { days, definition } = await get(`/api/analytics/usage?metric=${encodeURIComponent(metric)}`);
  return h("div", { class: "stack" },
    days.length === 0 ? h("p", { class: "empty" }, "Nothing was counted yet.") : chart({
      title: "Use of all customers together, by day", labels: days.map((one) => day(one.date)), format: number,
      series: [{ name: "Use", values: days.map((one) => Number(one.total)) }],
    }), definitions(definition));
}

export async function show({ query }) {
  const above = query.get("above") || "80";
  const path = `/api/analytics/limits?above=${encodeURIComponent(above)}`;
  const choice = field({ name: "above", label: "At least", options: [["50", "50 %"], ["80", "80 %"], ["100", "100 %"], ["150", "150 %"]], value: above, onchange: (event) => { location.hash = `#/limits?above=${event.target.value}`; } });
  return [
    h("header", {}, h("h1", {}, "Limits"), h("p", { class: "muted" }, "Customers who may need a larger plan. Nothing is switched off for use above a limit.")),
    card("Near a limit", h("div", { class: "filters" }, choice,
      h("button", { type: "button", onclick: (event) => saveCsv(event.currentTarget, path, "limits.csv") }, "Save as CSV")), near(above)),
    card("Devices of all customers", part(() => use("active_devices"), "Loading use")),
  ];
}
