// installations.js: the installations that use the licence, and how to release one.
import { address, pages, remove } from "/shared/api.js";
import { ago, badge, dialog, h, notice, number, pagedTable } from "/shared/ui.js";

async function release(account, instance, again) {
  const id = instance.instance_id;
  const done = await dialog({
    title: `Release ${id}?`,
    says: ["It stops counting at once, and another installation may take its place.", "It counts again when it reports again."],
    label: "Release",
    act: () => remove(address("/api/customers", account.id, "instances", id)),
  });
  if (!done) return;
  notice(`${id} is released.`);
  await again();
}

const releaseButton = (account, instance, again) => h("button", { type: "button", "aria-label": `Release ${instance.instance_id}`,
  onclick: () => release(account, instance, again) }, "Release");

export function showInstallations(account, again) {
  return pagedTable({
    caption: "Installations of this account", hideCaption: true,
    empty: "None yet. Make a key below and give it to your installation: it appears here when it is activated or reports its use.",
    columns: [
      { name: "Installation", head: true, show: (row) => row.instance_id },
      { name: "Kind", show: (row) => row.kind },
      { name: "State", show: (row) => badge(row.state) },
      { name: "Last contact", show: (row) => ago(row.last_seen_at) },
      { name: "Version", show: (row) => row.version },
      { name: "Devices", number: true, show: (row) => number(row.active_devices) },
      { name: "Action", show: (row) => (row.state === "active" ? releaseButton(account, row, again) : "") },
    ],
  }, pages(address("/api/customers", account.id, "instances"), { limit: 50 }, "instances"));
}
