// access.js: browsers that are signed in as operators.

import { address, get, remove, signOut } from "/shared/api.js";
import { ago, badge, busy, dialog, h, notice, part, table, time } from "/shared/ui.js";

async function end(session, reload) {
  const done = await dialog({
    title: "End this session", says: ["The browser has to sign in again."],
    label: "End", danger: true, act: () => remove(address("/api/sessions", session.session_id)),
  });
  if (done === undefined) return;
  notice("The session has ended.");
  reload();
}

export function show({ caller, reload }) {
  const everywhere = h("button", { type: "button", class: "danger" }, "Sign out everywhere");
  everywhere.addEventListener("click", () => busy(everywhere, async () => {
    await signOut(true);
    location.reload();
  }));
  return [
    h("header", {}, h("h1", {}, "Operators and sessions"), h("p", { class: "muted" }, caller.role === "owner" ? "All browsers that are signed in as operators." : "Browsers that are signed in with your key.")),
    h("div", { class: "card stack" }, h("h2", {}, "Sessions"),
      part(async () => table({
        caption: "Sessions, used last first", hideCaption: true,
        rows: (await get("/api/sessions")).sessions,
        columns: [
          { name: "Operator", head: true, show: (row) => h("span", {}, row.name, " ", row.current ? badge("this browser", "good") : null) },
          { name: "Role", show: (row) => row.role },
          { name: "Browser", show: (row) => row.user_agent || "–" },
          { name: "Signed in", show: (row) => time(row.created_at) },
          { name: "Last used", show: (row) => ago(row.last_used_at) },
          { name: "Ends", show: (row) => time(row.expires_at) },
          { name: "Action", show: (row) => h("button", { type: "button", onclick: () => end(row, reload) }, "End …") },
        ],
      }).element),
      h("div", { class: "row" }, everywhere)),
  ];
}
