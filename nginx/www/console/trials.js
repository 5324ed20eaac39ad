// trials.js: trials by the week in which they began, and those that are open.

import { get, pages } from "/shared/api.js";
import { badge, card, day, h, number, pagedTable, part, table, time } from "/shared/ui.js";
import { chart } from "/shared/charts.js";
import { definitions, saveCsv } from "./revenue.js";

const percent = (share) => (share === null || share === undefined ? "–" : new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 }).format(share));

async function weeks() {
  const { weeks: found, definition } = await get("/api/analytics/trials");
  const started = found.filter((one) => one.started > 0).length > 0;
  return h("div", { class: "card" }, h("h2", {}, "By week"),
    started ? chart({
      title: "Trials by the week of their start", type: "bar", stacked: true, labels: found.map((one) => day(one.week)), head: "Week", format: number,
      series: [{ name: "Converted", values: found.map((one) => one.converted) }, { name: "Open", values: found.map((one) => one.open) }, { name: "Expired", values: found.map((one) => one.expired) }],
    }) : h("p", { class: "empty" }, "No trial began in this time."),
    started ? table({
      caption: "How many of those that are over converted", rows: [...found].reverse().filter((one) => one.started > 0),
      columns: [
        { name: "Week", head: true, show: (row) => day(row.week) }, { name: "Started", number: true, show: (row) => number(row.started) },
        { name: "Converted", number: true, show: (row) => number(row.converted) }, { name: "Expired", number: true, show: (row) => number(row.expired) },
        { name: "Open", number: true, show: (row) => number(row.open) }, { name: "Conversion", number: true, show: (row) => percent(row.conversion) },
      ],
    }).element : null,
    h("div", { class: "row" }, h("button", { type: "button", onclick: (event) => saveCsv(event.currentTarget, "/api/analytics/trials", "trials.csv") }, "Save as CSV")),
    definitions(definition));
}

const open = () => card("Open trials", part(() => pagedTable({
  caption: "Customers who try a plan out, newest first", hideCaption: true, empty: "Nobody tries a plan out now.",
  columns: [
    { name: "Customer", head: true, show: (row) => h("a", { href: `#/customer/${row.customer_id}` }, row.company_name || row.email || row.customer_id) },
    { name: "E-mail", show: (row) => row.email }, { name: "Status", show: (row) => badge(row.status) }, { name: "Since", show: (row) => time(row.created_at, { day: true }) },
  ],
}, pages("/api/customers", { status: "trialing", limit: 25 }, "customers"))));

export const show = () => [h("header", {}, h("h1", {}, "Trials")), part(weeks, "Loading trials"), open()];
