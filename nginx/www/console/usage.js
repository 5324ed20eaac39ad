// usage.js: what a customer's installations used, day by day.

import { address, get } from "/shared/api.js";
import { card, day, field, h, number, part } from "/shared/ui.js";
import { chart, everyDay } from "/shared/charts.js";

const before = (days) => new Date(Date.now() - days * 86400000).toISOString().slice(0, 10);

async function charts(id, days) {
  const found = await get(address("/api/usage", id, "daily", { from: before(days) }));
  if (found.days.length === 0) return h("p", { class: "empty" }, "Nothing was reported in this time.");
  const metrics = new Set(found.days.flatMap((one) => Object.keys(one.metrics)));
  const all = everyDay(found.days);
  const labels = all.map((one) => day(one.date));
  return h("div", { class: "grid" },
    card("Devices", chart({
      title: "Devices, most of each day", labels, format: number,
      series: [{ name: "Active", values: all.map((one) => one.active_devices_peak) }, { name: "All", values: all.map((one) => one.total_devices_peak) }],
    })),
    [...metrics].map((name) => card(name, chart({
      title: `${name}, of each day`, type: "bar", labels, format: number,
      series: [{ name, values: all.map((one) => one.metrics?.[name]) }],
    }))));
}

export function usageOf(id) {
  const place = h("div");
  const choice = field({ name: "days", label: "Time", options: [["30", "30 days"], ["90", "90 days"], ["365", "a year"]], value: "30" });
  const draw = () => place.replaceChildren(part(() => charts(id, Number(choice.querySelector("select").value)), "Loading usage"));
  choice.addEventListener("change", draw);
  draw();
  return h("div", { class: "stack" }, h("div", { class: "filters" }, choice), place);
}
