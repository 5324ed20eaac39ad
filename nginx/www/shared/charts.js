// charts.js: lines and bars by Chart.js, each with a table of the same numbers beside it.

import { h, table } from "/shared/ui.js";

let library = null;

/** Debian's Chart.js, fetched when the first chart is shown. */
const load = () => (library ??= import("/shared/chart.js").then(() => globalThis.Chart, () => {
  throw new Error("The charts could not be loaded; the table has the numbers.");
}));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function configuration(Chart, { type, labels, series, format, stacked }) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const scale = { ticks: { color: colour("--muted"), maxRotation: 0, autoSkipPadding: 12 }, grid: { color: colour("--line") }, stacked };
  return {
    type,
    data: {
      labels,
      datasets: series.map((one, index) => {
        const shade = colour(`--chart-${(index % 4) + 1}`);
        return { label: one.name, data: one.values, borderColor: shade, backgroundColor: shade, borderWidth: 2, pointRadius: labels.length > 40 ? 0 : 2, tension: 0.2, maxBarThickness: 28 };
      }),
    },
    options: {
      responsive: true, maintainAspectRatio: false, animation: still ? false : { duration: 250 },
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: series.length > 1, labels: { color: colour("--text"), boxWidth: 12 } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${format(item.raw)}` } },
      },
      scales: { x: scale, y: { ...scale, beginAtZero: true, ticks: { ...scale.ticks, autoSkip: false, maxTicksLimit: 7, callback: (value) => format(value) } } },
    },
  };
}

const DAY_MS = 86400000;

/** The days from the first one to the last, in order; those between without numbers are { date } alone. */
export function everyDay(days) {
  const known = new Map(days.map((one) => [one.date, one]));
  const dates = [...known.keys()].sort();
  const all = [];
  for (let at = Date.parse(dates[0]); at <= Date.parse(dates.at(-1)); at += DAY_MS) {
    const date = new Date(at).toISOString().slice(0, 10);
    all.push(known.get(date) ?? { date });
  }
  return all;
}

/**
 * A chart and its table. `labels` are the texts of the axis, a series is { name, values }. `format` makes a number a text.
 */
export function chart({ title, type = "line", labels, series, format = String, stacked = false, head = "Date", open = false }) {
  const canvas = h("canvas", { role: "img", "aria-label": `${title}. The table below has the numbers.` });
  const place = h("div", { class: "chart no-print" }, canvas);
  const rows = labels.map((label, index) => ({ label, values: series.map((one) => one.values[index]) }));
  load().then((Chart) => {
    const drawn = new Chart(canvas, configuration(Chart, { type, labels, series, format, stacked }));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (!canvas.isConnected) return;
      const { data, options } = configuration(Chart, { type, labels, series, format, stacked });
      Object.assign(drawn, { data });
      drawn.options = options;
      drawn.update("none");
    });
  }).catch((fault) => place.replaceChildren(h("p", { class: "message warn" }, fault.message)));
  return h("div", { class: "stack" }, place,
    h("details", { open }, h("summary", {}, "Table"),
      table({
        caption: title, rows,
        columns: [{ name: head, head: true, show: (row) => row.label },
          ...series.map((one, index) => ({ name: one.name, number: true, show: (row) => format(row.values[index]) }))],
      }).element));
}
