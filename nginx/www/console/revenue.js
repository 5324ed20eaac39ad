// revenue.js: monthly recurring revenue: the bridge of a month, the months, and the rows behind each number.

import { address, get, pages, request } from "/shared/api.js";
import { badge, busy, card, download, field, h, money, month, number, pagedTable, part, table, time, title } from "/shared/ui.js";
import { chart } from "/shared/charts.js";

/** The parts of a month's change, with their sign. */
const PARTS = [["opening", 1], ["new", 1], ["expansion", 1], ["contraction", -1], ["churn", -1], ["reactivation", 1]];

/** Decimals in the currency's smallest unit, as the API has them. */
export const decimals = (text, currency) => (text === null || text === undefined ? "–" : money(Number(text), currency));

export const definitions = (found) => h("details", {}, h("summary", {}, "What the numbers mean"),
  h("dl", { class: "facts" }, Object.entries(found).map(([name, sentence]) => [h("dt", {}, title(name)), h("dd", {}, sentence)])));

/** The currency that the address names, else the one with the most revenue now. */
function currencyOf(months, wanted) {
  const found = [...new Set(months.map((one) => one.currency))];
  const last = (currency) => Number(months.findLast((one) => one.currency === currency).end);
  found.sort((a, b) => last(b) - last(a));
  return { found, currency: found.includes(wanted) ? wanted : found[0] };
}

function bridge(one) {
  const behind = (kind) => `#/movements?${new URLSearchParams({ month: one.month, kind, currency: one.currency })}`;
  const rows = [
    { name: "Start", value: one.start },
    ...PARTS.filter(([kind]) => kind !== "opening" || Number(one.opening) !== 0).map(([kind, sign]) => ({ name: title(kind), kind, sign, value: one[kind] })),
    { name: "End", value: one.end },
  ];
  return card(`${month(one.month)}${one.final ? "" : ", so far"}`,
    table({
      caption: "From the start of the month to its end", hideCaption: true, rows,
      columns: [
        { name: "Part", head: true, show: (row) => (row.kind && Number(row.value) !== 0 ? h("a", { href: behind(row.kind) }, row.name) : row.name) },
        { name: "Amount", number: true, show: (row) => `${row.sign === -1 && Number(row.value) !== 0 ? "− " : row.sign === 1 && Number(row.value) !== 0 ? "+ " : ""}${decimals(row.value, one.currency)}` },
      ],
    }).element);
}

export const figure = (label, value, more) => h("div", { class: "card figure" }, h("p", { class: "label" }, label), h("p", { class: "value" }, value), more ? h("p", { class: "small muted" }, more) : null);

/** The main numbers of the last month. */
export const figures = (one) => h("div", { class: "figures" },
  figure("Monthly recurring revenue", decimals(one.end, one.currency), `${decimals(one.committed, one.currency)} without what has been cancelled`),
  figure("Customers who pay", number(one.customers_end), `${number(one.customers_start)} at the start of the month`),
  figure("Revenue per customer", decimals(one.arpu, one.currency)),
  figure("Quick ratio", one.quick_ratio ?? "–", "(new + expansion + reactivation) / (churn + contraction)"));

function monthsTable(list, query) {
  return table({
    caption: "Months, newest first", rows: [...list].reverse(),
    columns: [
      { name: "Month", head: true, show: (row) => h("a", { href: `#/revenue?${new URLSearchParams({ ...query, month: row.month, currency: row.currency })}` }, month(row.month)) },
      ...["start", "new", "expansion", "contraction", "churn", "reactivation", "end"].map((kind) => ({ name: title(kind), number: true, show: (row) => decimals(row[kind], row.currency) })),
      { name: "Customers", number: true, show: (row) => number(row.customers_end) },
    ],
  }).element;
}

export async function saveCsv(button, path, name) {
  await busy(button, async () => download(name, await request("GET", path, { accept: "text/csv" }), "text/csv"));
}

/** The MRR and customers of each plan now. */
const plans = (currency) => card("By plan, now", part(async () => table({
  caption: "Monthly recurring revenue of each plan", hideCaption: true, empty: "No plan is paid for.",
  rows: (await get("/api/analytics/plans")).plans.filter((one) => one.currency === currency),
  columns: [
    { name: "Plan", head: true, show: (row) => row.plan },
    { name: "Revenue", number: true, show: (row) => decimals(row.mrr, row.currency) },
    { name: "Without cancelled", number: true, show: (row) => decimals(row.committed, row.currency) },
    { name: "Customers", number: true, show: (row) => number(row.customers) },
    { name: "Per customer", number: true, show: (row) => decimals(row.arpu, row.currency) },
  ],
}).element));

export async function show({ query }) {
  const span = query.get("months") || "12";
  const from = new Date();
  from.setUTCDate(1);
  from.setUTCMonth(from.getUTCMonth() - Number(span) + 1);
  const path = address("/api/analytics/revenue", { from: from.toISOString().slice(0, 7) });
  const found = await get(path);
  const head = h("header", {}, h("h1", {}, "Revenue"), h("p", { class: "muted" }, "What active subscriptions and contracts are worth each month."));
  if (found.months.length === 0) return [head, card("Nothing yet", h("p", {}, "No customer pays yet. The first paid subscription or contract with a price shows here."), definitions(found.definition))];
  const { found: currencies, currency } = currencyOf(found.months, query.get("currency"));
  const list = found.months.filter((one) => one.currency === currency);
  const one = list.find((each) => each.month === query.get("month")) ?? list.at(-1);
  const go = (more) => { location.hash = `#/revenue?${new URLSearchParams({ months: span, currency, ...more })}`; };
  const form = h("div", { class: "filters" },
    field({ name: "months", label: "Time", options: [["6", "6 months"], ["12", "12 months"], ["24", "2 years"], ["60", "5 years"]], value: span, onchange: (event) => go({ months: event.target.value }) }),
    currencies.length > 1 ? field({ name: "currency", label: "Currency", options: currencies.map((each) => [each, each.toUpperCase()]), value: currency, onchange: (event) => go({ currency: event.target.value }) }) : null,
    h("button", { type: "button", onclick: (event) => saveCsv(event.currentTarget, path, "revenue.csv") }, "Save as CSV"));
  const format = (value) => money(value, currency);
  return [head, form, figures(list.at(-1)),
    h("div", { class: "grid" },
      card("By month", chart({ title: "Monthly recurring revenue at the end of each month", labels: list.map((each) => month(each.month)), head: "Month", format, series: [{ name: "Revenue", values: list.map((each) => Number(each.end)) }] })),
      bridge(one)),
    card("Won and lost", chart({
      title: "What changed in each month", type: "bar", stacked: true, labels: list.map((each) => month(each.month)), head: "Month", format,
      series: [
        { name: "New and back", values: list.map((each) => Number(each.new) + Number(each.reactivation)) },
        { name: "Expansion", values: list.map((each) => Number(each.expansion)) },
        { name: "Contraction", values: list.map((each) => -Number(each.contraction)) },
        { name: "Churn", values: list.map((each) => -Number(each.churn)) },
      ],
    })),
    plans(currency),
    h("div", { class: "card" }, h("h2", {}, "Months"), monthsTable(list, { months: span }), definitions(found.definition))];
}

/** The rows behind a number: #/movements?month=&kind=&currency=. */
export function showMovements({ query }) {
  const filter = Object.fromEntries(["month", "kind", "currency", "plan"].map((name) => [name, query.get(name)]).filter(([, value]) => value));
  const path = address("/api/analytics/movements", { ...filter, limit: 100 });
  return [
    h("header", {}, h("p", { class: "small" }, h("a", { href: "#/revenue" }, "Revenue")),
      h("h1", {}, `${title(filter.kind || "All movements")}${filter.month ? `, ${month(filter.month)}` : ""}`)),
    h("div", { class: "card" }, h("h2", {}, "Movements"),
      part(() => pagedTable({
        caption: "Each change of the revenue", hideCaption: true, empty: "There is none.",
        columns: [
          { name: "Customer", head: true, show: (row) => h("a", { href: `#/customer/${row.customer_id}` }, row.company_name || row.email || row.customer_id) },
          { name: "Time", show: (row) => time(row.happened_at) },
          { name: "Kind", show: (row) => badge(row.kind, ["churn", "contraction"].includes(row.kind) ? "bad" : "good") },
          { name: "Plan", show: (row) => (row.plan_before && row.plan && row.plan_before !== row.plan ? `${row.plan_before} → ${row.plan}` : row.plan || row.plan_before) },
          { name: "Before", number: true, show: (row) => decimals(row.before, row.currency) },
          { name: "After", number: true, show: (row) => decimals(row.after, row.currency) },
          { name: "Amount", number: true, show: (row) => decimals(row.amount, row.currency) },
        ],
      }, pages("/api/analytics/movements", { ...filter, limit: 50 }, "movements"))),
      h("div", { class: "row" }, h("button", { type: "button", onclick: (event) => saveCsv(event.currentTarget, path, "movements.csv") }, "Save as CSV"))),
  ];
}
