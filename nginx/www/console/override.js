// override.js: gives a customer other features and limits than its plan's. The result is shown before it counts.

import { address, get, put } from "/shared/api.js";
import { dialog, field, h, notice, table } from "/shared/ui.js";

/** The list of plans writes "max_devices", everything else "maxDevices". */
const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

const shown = (value) => (value === null ? "no bound" : value === true ? "yes" : value === false ? "no" : String(value));

/** One control for a feature or limit: empty means that the layers below decide. */
function control(kind, name, sample, given) {
  const label = `${name}`;
  const key = `${kind}:${name}`;
  const has = given !== undefined;
  if (typeof sample === "boolean")
    return field({ name: key, label, options: [["", "As the plan has it"], ["true", "Yes"], ["false", "No"]], value: has ? String(given) : "" });
  const help = kind === "limits" ? "Empty: as the plan has it; the word none: no bound" : "Empty: as the plan has it";
  return field({ name: key, label, help, value: has ? (given === null ? "none" : String(given)) : "" });
}

const parsed = (sample, text, kind) => {
  if (typeof sample === "boolean") return text === "true";
  if (kind === "limits" && text === "none") return null;
  return (typeof sample === "number" || kind === "limits") && /^-?\d+$/.test(text) ? Number(text) : text;
};

function collect(given, samples) {
  const set = { features: {}, limits: {} };
  for (const [key, text] of Object.entries(given)) {
    const [kind, name] = key.split(":");
    if (name !== undefined) set[kind][name] = parsed(samples[kind][name], text, kind);
  }
  return set;
}

const result = (before, after) => {
  const rows = [];
  for (const kind of ["features", "limits"])
    for (const name of new Set([...Object.keys(before[kind]), ...Object.keys(after[kind])])) {
      const [was, is] = [before[kind][name]?.value, after[kind][name]?.value];
      if (was !== is) rows.push({ name, was: was === undefined ? "–" : shown(was), is: is === undefined ? "–" : shown(is) });
    }
  return table({
    caption: "What changes", rows, empty: "Nothing changes for the customer.",
    columns: [{ name: "Name", head: true, show: (row) => row.name }, { name: "Now", show: (row) => row.was }, { name: "Then", show: (row) => row.is }],
  }).element;
};

/** True when the overrides were changed. */
export async function editOverrides(context, entitlements, present) {
  const { plans } = await get("/api/plans");
  const samples = { features: {}, limits: {} };
  for (const kind of ["features", "limits"]) {
    for (const [name, one] of Object.entries(entitlements[kind])) samples[kind][name] = one.value;
    for (const plan of plans)
      for (const [name, value] of Object.entries(plan[kind])) samples[kind][camel(name)] ??= value;
  }
  const path = address("/api/customers", context.id, "overrides");
  let wanted, would;
  await dialog({
    title: "Overrides",
    says: ["What you set here counts before plan, add-ons and contract. It replaces the present set.", "The next step shows what changes."],
    fields: [
      ...["features", "limits"].flatMap((kind) => Object.entries(samples[kind]).map(([name, sample]) => control(kind, name, sample, present?.[kind]?.[name]))),
      field({ name: "until", label: "Until", type: "date", help: "Empty: without an end", value: present?.expires_at?.slice(0, 10) || "" }),
      field({ name: "reason", label: "Reason", required: true, maxlength: "500", value: present?.reason || "", help: "Everybody who looks sees it" }),
    ],
    label: "Preview",
    act: async ({ until, reason, ...given }) => {
      wanted = { ...collect(given, samples), expires_at: until ? `${until}T23:59:59Z` : null, ...(reason ? { reason } : {}) };
      would = await put(path, { ...wanted, dry_run: true });
    },
  });
  if (!would) return false;
  const done = await dialog({
    title: "Set these overrides",
    says: ["The customer gets a new licence at its next request.", "A licence that grants more than the customer may have then is revoked.",
      wanted.expires_at ? `They end on ${new Date(wanted.expires_at).toLocaleDateString(undefined, { dateStyle: "long" })}.` : "They have no end."],
    content: h("div", {}, result(entitlements, would.entitlements)),
    label: "Set them", act: () => put(path, wanted),
  });
  if (done === undefined) return false;
  notice("The overrides are set.");
  return true;
}
