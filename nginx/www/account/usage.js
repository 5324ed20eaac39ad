// usage.js: the use of each day, as a chart and as the table that it is drawn from.
import { address, get } from "/shared/api.js";
import { chart, everyDay } from "/shared/charts.js";
import { day, field, fill, h, number, part, values } from "/shared/ui.js";
import { nameWords } from "/shared/words.js";

const DAY_MS = 86400000;
const SPANS = [["30", "30 days"], ["90", "90 days"], ["365", "12 months"]];

const valueOf = (one, what) => (what === "devices" ? one.active_devices_peak : one.metrics?.[what]) ?? null;

async function showSpan(account, what, label, count) {
  const from = new Date(Date.now() - (count - 1) * DAY_MS).toISOString().slice(0, 10);
  const { days } = await get(address("/api/usage", account.id, "daily", { from }));
  const known = days.filter((one) => valueOf(one, what) !== null);
  if (known.length === 0)
    return h("p", { class: "empty" }, "Nothing was reported in this time.");
  const all = everyDay(known);
  return chart({
    title: `${label} of each day (UTC)`, type: "bar", head: "Day", format: number,
    labels: all.map((one) => day(one.date)), series: [{ name: label, values: all.map((one) => valueOf(one, what)) }],
  });
}

export async function showUsage(account) {
  const { metrics } = await get("/api/plans");
  const kinds = [["devices", "Devices in use"], ...Object.keys(metrics).map((name) => [name, nameWords(name)])];
  const choice = h("form", { class: "filters no-print" }, field({ name: "what", label: "Show", options: kinds, value: "devices" }),
    field({ name: "span", label: "Of the last", options: SPANS, value: "30" }));
  const place = h("div");
  const show = () => {
    const { what, span } = values(choice);
    fill(place, part(() => showSpan(account, what, kinds.find(([name]) => name === what)[1], Number(span)), "Loading usage"));
  };
  choice.addEventListener("change", show);
  choice.addEventListener("submit", (event) => event.preventDefault());
  show();
  return h("div", {}, choice, place);
}
