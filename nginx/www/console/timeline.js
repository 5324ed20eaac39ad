// timeline.js: all that happened to one customer, newest first: events, and the entries of the audit trail.

import { pages } from "/shared/api.js";
import { badge, card, h, ident, pagedTable, part, time, title } from "/shared/ui.js";
import { difference, subject } from "./audit.js";

const ROWS = 50;

/** Two lists whose rows come newest first, as one such list. */
function merged(lists, timeOf) {
  const fetched = lists.map(() => []);
  const has = (index) => fetched[index].length > 0;
  let rows = []; // kept while a list cannot be fetched, for the next try
  const made = {
    more: true,
    async next() {
      do {
        // A row is certain once each list has shown its next one.
        await Promise.all(lists.map(async (list, index) => {
          if (!has(index) && list.more) fetched[index] = await list.next();
        }));
        const filled = fetched.filter((list) => list.length > 0);
        if (filled.length === 0) break;
        filled.sort((a, b) => timeOf(b[0]) - timeOf(a[0]));
        rows.push(filled[0].shift());
      } while (rows.length < ROWS);
      // An event counts when its change began, and is written when it ends.
      rows.sort((a, b) => timeOf(b) - timeOf(a));
      made.more = lists.some((list, index) => has(index) || list.more);
      const page = rows;
      rows = [];
      return page;
    },
  };
  return made;
}

const at = (row) => row.happened_at ?? row.created_at;
const isEvent = (row) => row.sequence !== undefined;

export const timeline = ({ id }) => card("Timeline", part(() => pagedTable({
  caption: "Events and the entries of the audit trail, newest first", empty: "Nothing has happened yet.",
  columns: [
    { name: "Time", head: true, show: (row) => time(at(row)) },
    { name: "Kind", show: (row) => (isEvent(row) ? badge("event") : badge("audit", "quiet")) },
    { name: "What happened", show: (row) => (isEvent(row) ? h("code", { class: "line" }, row.type) : title(row.action)) },
    { name: "By", show: (row) => (isEvent(row) ? "–" : ident(row.actor)) },
    { name: "Of", show: (row) => (isEvent(row) ? "–" : subject(row)) },
    { name: "Details", wide: true, show: (row) => (isEvent(row) ? h("details", {}, h("summary", {}, "Object"), h("code", {}, JSON.stringify(row.data))) : difference(row)) },
  ],
}, merged([
  pages("/api/events", { customer_id: id, order: "newest", limit: ROWS }, "events"),
  pages("/api/audit", { customer_id: id, limit: ROWS }, "entries"),
], (row) => new Date(at(row)))), "Loading what happened"));
