// override.js: gives a customer other features and limits than its plan's. The result is shown before it counts.

import { address, get, put } from "/shared/api.js";
import { field } from "/shared/ui.js";
import { changeInTwoSteps, differences } from "./preview.js";

/** The list of plans writes "max_devices", everything else "maxDevices". */
const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

export const shown = (value) => (value === null ? "no bound" : value === true ? "yes" : value === false ? "no" : String(value));

/** A value of each feature and limit that plans or the given sets have: { features, limits }, of which sets may have either. */
export function samplesOf(plans, ...sets) {
  const samples = { features: {}, limits: {} };
  for (const kind of ["features", "limits"]) {
    for (const set of sets) for (const [name, value] of Object.entries(set?.[kind] ?? {})) samples[kind][name] ??= value;
    for (const plan of plans) for (const [name, value] of Object.entries(plan[kind])) samples[kind][camel(name)] ??= value;
  }
  return samples;
}

/** A control for each feature and limit, with the values that are set. */
export const controls = (samples, present) => ["features", "limits"].flatMap((kind) =>
  Object.entries(samples[kind]).map(([name, sample]) => control(kind, name, sample, present?.[kind]?.[name])));

/** One control for a feature or limit: empty means that the layers below decide. */
function control(kind, name, sample, given) {
  const key = `${kind}:${name}`;
  const has = given !== undefined;
  if (typeof sample === "boolean")
    return field({ name: key, label: name, options: [["", "As the plan has it"], ["true", "Yes"], ["false", "No"]], value: has ? String(given) : "" });
  const help = kind === "limits" ? "Empty: as the plan has it; the word none: no bound" : "Empty: as the plan has it";
  return field({ name: key, label: name, help, value: has ? (given === null ? "none" : String(given)) : "" });
}

const parsed = (sample, text, kind) => {
  if (typeof sample === "boolean") return text === "true";
  if (kind === "limits" && text === "none") return null;
  return (typeof sample === "number" || kind === "limits") && /^-?\d+$/.test(text) ? Number(text) : text;
};

/** The values of the controls: { features, limits }. */
export function collect(given, samples) {
  const set = { features: {}, limits: {} };
  for (const [key, text] of Object.entries(given)) {
    const [kind, name] = key.split(":");
    if (name !== undefined) set[kind][name] = parsed(samples[kind][name], text, kind);
  }
  return set;
}

const result = (before, after) => differences(["features", "limits"].flatMap((kind) =>
  [...new Set([...Object.keys(before[kind]), ...Object.keys(after[kind])])].map((name) => {
    const [was, is] = [before, after].map((one) => one[kind][name]?.value);
    return { name, was: was === undefined ? "–" : shown(was), is: is === undefined ? "–" : shown(is) };
  })), "Nothing changes for the customer.");

const valuesOf = (entitled) => Object.fromEntries(Object.entries(entitled).map(([name, one]) => [name, one.value]));

/** True when the overrides were changed. */
export async function editOverrides(context, entitlements, present) {
  const { plans } = await get("/api/plans");
  const samples = samplesOf(plans, { features: valuesOf(entitlements.features), limits: valuesOf(entitlements.limits) });
  const path = address("/api/customers", context.id, "overrides");
  return changeInTwoSteps({
    ask: {
      title: "Overrides",
      says: ["What you set here counts before plan, add-ons and contract. It replaces the present set."],
      fields: [
        ...controls(samples, present),
        field({ name: "until", label: "Until", type: "date", help: "Empty: without an end", value: present?.expires_at?.slice(0, 10) || "" }),
        field({ name: "reason", label: "Reason", required: true, maxlength: "500", value: present?.reason || "", help: "Everybody who looks sees it" }),
      ],
    },
    read: ({ until, reason, ...given }) => ({ ...collect(given, samples), expires_at: until ? `${until}T23:59:59Z` : null, ...(reason ? { reason } : {}) }),
    tryOut: (wanted) => put(path, { ...wanted, dry_run: true }),
    confirm: (would, wanted) => ({
      title: "Set these overrides",
      says: ["The customer gets a new licence at its next request.", "A licence that grants more than the customer may have then is revoked.",
        wanted.expires_at ? `They end on ${new Date(wanted.expires_at).toLocaleDateString(undefined, { dateStyle: "long" })}.` : "They have no end."],
      content: result(entitlements, would.entitlements), label: "Set them",
    }),
    send: (wanted) => put(path, wanted),
    told: "The overrides are set.",
  });
}
