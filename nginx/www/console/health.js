// health.js: what the service says about itself.

import { get } from "/shared/api.js";
import { badge, card, h, part, table, time, title } from "/shared/ui.js";

/** The answer of /health/ready, which is 503 when something is wrong. */
export async function readiness() {
  const answer = await fetch("/health/ready", { cache: "no-store" }).catch(() => null);
  const told = answer && (await answer.json().catch(() => null));
  return told?.checks ? told : get("/health/ready");
}

export async function show({ reload }) {
  return [
    h("header", { class: "spread" }, h("h1", {}, "Health"), h("button", { type: "button", onclick: reload }, "Check again")),
    part(async () => {
      const told = await readiness();
      const rows = Object.entries(told.checks).map(([name, check]) => ({ name, ...check }));
      rows.sort((a, b) => a.ok - b.ok);
      return card("Checks",
        h("p", { class: "row" }, badge(told.status), h("span", { class: "muted" }, "at ", time(told.timestamp))),
        table({
          caption: "Checks of this host, faults first", rows, hideCaption: true,
          columns: [
            { name: "Check", head: true, show: (row) => title(row.name) },
            { name: "State", show: (row) => badge(row.ok ? "ok" : "look", row.ok ? "good" : "bad") },
            { name: "Detail", show: (row) => row.detail },
          ],
        }).element);
    }, "Asking the service"),
  ];
}
