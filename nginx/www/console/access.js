// access.js: the operators, and browsers that are signed in as one of them.

import { address, get, newOnce, post, remove, signOut } from "/shared/api.js";
import { ago, badge, busy, dialog, field, h, notice, part, secret, table, time } from "/shared/ui.js";

/** "Firefox 140, Linux" of a User-Agent; the whole text where it says neither. */
function browser(agent) {
  if (!agent) return "–";
  const product = ["Edg", "Firefox", "Chrome", "HeadlessChrome", "Version"].map((name) => [name, new RegExp(`${name}/(\\d+)`).exec(agent)]).find(([, found]) => found);
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"].find((name) => agent.includes(name));
  const names = { Edg: "Edge", HeadlessChrome: "Chrome", Version: "Safari", "Mac OS X": "macOS" };
  return product ? [`${names[product[0]] ?? product[0]} ${product[1][1]}`, names[system] ?? system].filter(Boolean).join(", ") : agent;
}

async function end(session, reload) {
  const done = await dialog({
    title: "End this session", says: ["The browser has to sign in again."],
    label: "End", danger: true, act: () => remove(address("/api/sessions", session.session_id)),
  });
  if (done === undefined) return;
  notice("The session has ended.");
  reload();
}

async function add(reload) {
  const done = await dialog({
    title: "Add an operator", says: ["An owner may do everything, a viewer may only read.", "The key is shown once. Give it to the operator alone."],
    fields: [
      field({ name: "name", label: "Name", required: true, maxlength: "100" }),
      field({ name: "role", label: "Role", options: [["viewer", "Viewer"], ["owner", "Owner"]], value: "viewer" }),
    ],
    label: "Add", act: async (given) => secret((await post("/api/operators", given, { once: newOnce() })).api_key, "The operator's key"),
  });
  if (done !== undefined) reload();
}

async function revoke(operator, reload) {
  const done = await dialog({
    title: `Revoke the key of ${operator.name}`, says: ["The operator is refused from now on, and signed out everywhere.", "This cannot be undone."],
    label: "Revoke", danger: true, act: () => remove(address("/api/operators", operator.key_id)),
  });
  if (done === undefined) return;
  notice("The key is revoked.");
  reload();
}

const operators = (mayChange, caller, reload) => h("div", { class: "card" }, h("h2", {}, "Operators"),
  part(async () => table({
    caption: "Operators, newest first", hideCaption: true,
    rows: (await get("/api/operators")).operators,
    columns: [
      { name: "Name", head: true, show: (row) => h("span", {}, row.name, " ", row.key_id === caller.key_id ? badge("you", "good") : null) },
      { name: "Role", show: (row) => row.role },
      { name: "Key", show: (row) => h("code", {}, `${row.prefix}…`) },
      { name: "Made", show: (row) => time(row.created_at, { day: true }) },
      { name: "Last used", show: (row) => time(row.last_used_at, { day: true, none: "never" }) },
      { name: "State", show: (row) => (row.revoked_at ? badge("revoked") : badge("active")) },
      ...(mayChange ? [{ name: "Action", show: (row) => (row.revoked_at ? "–" : h("button", { type: "button", class: "danger", onclick: () => revoke(row, reload) }, "Revoke …")) }] : []),
    ],
  }).element),
  mayChange ? h("div", { class: "row" }, h("button", { type: "button", onclick: () => add(reload) }, "Add an operator …")) : null);

export function show({ caller, mayChange, reload }) {
  const everywhere = h("button", { type: "button", class: "danger" }, "Sign out everywhere");
  everywhere.addEventListener("click", () => busy(everywhere, async () => {
    await signOut(true);
    location.reload();
  }));
  return [
    h("header", {}, h("h1", {}, "Operators"), h("p", { class: "muted" }, "Who may use this console, and the browsers that are signed in.")),
    operators(mayChange, caller, reload),
    h("div", { class: "card stack" }, h("h2", {}, "Sessions"),
      part(async () => table({
        caption: "Sessions, used last first", hideCaption: true,
        rows: (await get("/api/sessions")).sessions,
        columns: [
          { name: "Operator", head: true, show: (row) => h("span", {}, row.name, " ", row.current ? badge("this browser", "good") : null) },
          { name: "Role", show: (row) => row.role },
          { name: "Browser", show: (row) => h("span", { title: row.user_agent }, browser(row.user_agent)) },
          { name: "Signed in", show: (row) => time(row.created_at) },
          { name: "Last used", show: (row) => ago(row.last_used_at) },
          { name: "Ends", show: (row) => time(row.expires_at) },
          { name: "Action", show: (row) => h("button", { type: "button", onclick: () => end(row, reload) }, "End …") },
        ],
      }).element),
      h("div", { class: "row" }, everywhere)),
  ];
}
