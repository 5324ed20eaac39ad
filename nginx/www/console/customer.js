// customer.js: one customer: what it has, why, and what can be done about it.

import { address, get, pages } from "/shared/api.js";
import { ago, badge, card, errorBox, facts, h, meter, money, number, pagedTable, part, table, time, words } from "/shared/ui.js";
import { isUnbounded } from "/shared/words.js";
import * as actions from "./actions.js";
import { editOverrides } from "./override.js";
import { contracts } from "./contract.js";
import { timeline } from "./timeline.js";

const TABS = [
  ["", "Summary"], ["licences", "Licences"], ["installations", "Installations"], ["usage", "Usage"],
  ["invoices", "Invoices"], ["contracts", "Contracts"], ["keys", "Keys"], ["timeline", "Timeline"],
];

const missing = (fault) => {
  if (fault.status === 404) return null;
  throw fault;
};

/** The state of the subscription, in a sentence. */
function inWords(subscription, access) {
  if (!subscription) return "This customer never had a subscription.";
  const plan = subscription.plan;
  const until = (iso) => (iso ? new Date(iso).toLocaleDateString(undefined, { dateStyle: "long" }) : "its end");
  const told = {
    trialing: `Tries ${plan} out until ${until(subscription.trial_ends_at)}.`,
    active: subscription.cancel_at_period_end || subscription.cancel_at
      ? `Pays for ${plan}, and has cancelled: it ends on ${until(subscription.cancel_at || subscription.current_period_ends_at)}.`
      : `Has ${plan}; the period ends on ${until(subscription.current_period_ends_at)}.`,
    past_due: `A payment for ${plan} failed, and Stripe tries again.`,
    unpaid: `${plan} is not paid.`,
    canceled: `${plan} was cancelled.`,
    paused: `${plan} is paused.`,
  }[subscription.status] || `${plan} is ${words(subscription.status)}.`;
  return access === undefined ? told : `${told} ${access ? "The customer has access." : "The customer has no access now."}`;
}

function subscriptionCard(subscription, entitlements, context) {
  const s = subscription;
  return card("Subscription",
    h("p", {}, inWords(s, entitlements?.access)),
    s && h("div", { class: "stack" }, facts([
      ["Plan", s.plan], ["Status", badge(s.status)], ["Kind", s.kind],
      s.quantity > 1 && ["Quantity", number(s.quantity)],
      Object.keys(s.addons || {}).length > 0 && ["Add-ons", Object.entries(s.addons).map(([name, n]) => `${name} × ${n}`).join(", ")],
      s.trial_ends_at && ["Trial ends", time(s.trial_ends_at)],
      s.current_period_ends_at && ["Period ends", time(s.current_period_ends_at)],
      s.interval && ["Billed every", `${s.interval_count > 1 ? `${s.interval_count} ` : ""}${s.interval}${s.interval_count > 1 ? "s" : ""}`],
      s.scheduled_plan && ["Next period", s.scheduled_plan],
      s.cancel_at && ["Ends", time(s.cancel_at)],
      s.stripe_subscription_id && ["At Stripe", h("code", {}, s.stripe_subscription_id)],
    ])),
    context.mayChange && actions.subscriptionButtons(s, context));
}

const valueWords = (value) => (value === true ? "yes" : value === false ? "no" : isUnbounded(value) ? "no bound" : typeof value === "number" ? number(value) : String(value));

function entitlementsCard(entitlements, overrides, context) {
  const rows = [...Object.entries(entitlements.features), ...Object.entries(entitlements.limits)].map(([name, one]) => ({ name, ...one }));
  return card("What it may use, and why",
    table({
      caption: "Features and limits with their sources", hideCaption: true, rows, empty: "Nothing: the customer has no plan.",
      columns: [
        { name: "Name", head: true, show: (row) => row.name },
        { name: "Value", show: (row) => valueWords(row.value) },
        { name: "From", show: (row) => badge(row.source, row.source === "plan" ? "quiet" : row.source === "override" ? "warn" : "") },
        { name: "Until", show: (row) => time(row.until, { day: true, none: "–" }) },
      ],
    }).element,
    overrides && h("p", { class: "message" }, "Overrides: ", overrides.reason, " ", h("span", { class: "muted small" }, "by ", h("code", {}, overrides.set_by), ", ", time(overrides.set_at))),
    context.mayChange && h("div", { class: "row" }, h("button", { type: "button", onclick: async () => (await editOverrides(context, entitlements, overrides)) && context.reload() }, "Change overrides …")));
}

async function summary(context) {
  const id = context.id;
  const [entitlements, overrides, limits] = await Promise.all([
    get(address("/api/customers", id, "entitlements")).catch(missing),
    get(address("/api/customers", id, "overrides")).catch(missing),
    get(address("/api/usage", id, "limits")).catch(missing),
  ]);
  const customer = context.customer;
  return h("div", { class: "grid" },
    h("div", { class: "stack" },
      subscriptionCard(context.subscription, entitlements, context),
      card("Customer", facts([
        ["E-mail", customer.email], customer.pending_email && ["Asks for", customer.pending_email], ["Company", customer.company_name],
        ["Id", h("code", {}, customer.customer_id)], customer.stripe_customer_id && ["At Stripe", h("code", {}, customer.stripe_customer_id)],
        ["Since", time(customer.created_at)],
      ]), context.mayChange && h("div", { class: "row" },
        h("button", { type: "button", onclick: () => actions.edit(context) }, "Change …"),
        h("button", { type: "button", onclick: () => actions.link(context) }, "One-time link …"),
        h("button", { type: "button", class: "danger", onclick: () => actions.erase(context) }, "Delete …")))),
    h("div", { class: "stack" },
      limits && card("Use of the plan", h("div", { class: "stack" }, levels(limits))),
      entitlements && entitlementsCard(entitlements, overrides?.overrides, context)));
}

const levels = (limits) => [["Devices", limits.devices], ["Installations", limits.instances], ["Not for production", limits.non_production],
  ...Object.entries(limits.metrics)]
  .filter(([, level]) => level)
  .map(([name, level]) => h("div", {}, h("h3", {}, name), meter(level.current, isUnbounded(level.max) ? null : level.max, name)));

const licences = (context) => h("div", { class: "card stack" }, h("h2", {}, "Licences"),
  part(() => pagedTable({
    caption: "Issued licences, newest first", empty: "No licence was issued yet.",
    columns: [
      { name: "Licence", head: true, show: (row) => h("code", {}, row.jti) },
      { name: "Plan", show: (row) => row.plan },
      { name: "Why", show: (row) => words(row.reason) },
      { name: "Issued", show: (row) => time(row.issued_at) },
      { name: "Expires", show: (row) => time(row.expires_at) },
      { name: "State", show: (row) => (row.revoked_at ? h("span", {}, badge("revoked"), " ", h("span", { class: "small muted" }, words(row.revoke_reason))) : new Date(row.expires_at) < new Date() ? badge("expired", "quiet") : badge("valid", "good")) },
    ],
  }, pages(address("/api/licenses", context.id, "history"), { limit: 25 }, "licenses"))),
  context.mayChange && h("div", { class: "row" },
    h("button", { type: "button", onclick: () => actions.rotate(context) }, "Rotate …"),
    h("button", { type: "button", class: "danger", onclick: () => actions.revoke(context) }, "Cancel and revoke …")));

const installations = (context) => card("Installations",
  part(() => pagedTable({
    caption: "Installations of this customer", hideCaption: true, empty: "No installation has sent a report yet.",
    columns: [
      { name: "Installation", head: true, show: (row) => h("code", {}, row.instance_id) },
      { name: "State", show: (row) => badge(row.state) },
      { name: "Kind", show: (row) => row.kind },
      { name: "Last contact", show: (row) => ago(row.last_seen_at) },
      { name: "Version", show: (row) => row.version },
      { name: "Devices", number: true, show: (row) => `${number(row.active_devices)} / ${number(row.total_devices)}` },
      ...(context.mayChange ? [{ name: "Action", show: (row) => (row.state === "active" ? h("button", { type: "button", onclick: () => actions.release(context, row.instance_id) }, "Release …") : "–") }] : []),
    ],
  }, pages(address("/api/customers", context.id, "instances"), { limit: 50 }, "instances"))));

const usage = async (context) => (await import("./usage.js")).usageOf(context.id);

const invoices = (context) => card("Invoices",
  part(() => pagedTable({
    caption: "Invoices, newest first", hideCaption: true, empty: "There is no invoice yet.",
    columns: [
      { name: "Invoice", head: true, show: (row) => (row.hosted_invoice_url ? h("a", { href: row.hosted_invoice_url, rel: "noreferrer", target: "_blank" }, row.number || row.id) : row.number || row.id) },
      { name: "Date", show: (row) => time(row.created_at, { day: true }) },
      { name: "Status", show: (row) => badge(row.status) },
      { name: "Due", number: true, show: (row) => money(row.amount_due, row.currency) },
      { name: "Paid", number: true, show: (row) => money(row.amount_paid, row.currency) },
      { name: "PDF", show: (row) => (row.invoice_pdf ? h("a", { href: row.invoice_pdf, rel: "noreferrer" }, "PDF") : "–") },
    ],
  }, pages(address("/api/subscriptions", context.id, "invoices"), { limit: 25 }, "invoices"))));

const keys = (context) => h("div", { class: "card stack" }, h("h2", {}, "API keys"),
  part(async () => table({
    caption: "API keys of this customer, newest first", hideCaption: true, empty: "There is no key.",
    rows: (await get(address("/api/customers", context.id, "keys"))).keys,
    columns: [
      { name: "Name", head: true, show: (row) => row.name || "–" },
      { name: "Key", show: (row) => h("code", {}, `…${row.prefix.slice(-6)}…`) },
      { name: "Scopes", show: (row) => row.scopes.join(", ") },
      { name: "Made", show: (row) => time(row.created_at, { day: true }) },
      { name: "Last used", show: (row) => time(row.last_used_at, { day: true, none: "never" }) },
      { name: "State", show: (row) => (row.revoked_at ? badge("revoked") : badge("active")) },
      ...(context.mayChange ? [{ name: "Action", show: (row) => (row.revoked_at ? "–" : h("button", { type: "button", class: "danger", onclick: () => actions.revokeKey(context, row) }, "Revoke …")) }] : []),
    ],
  }).element),
  context.mayChange && h("div", { class: "row" }, h("button", { type: "button", onclick: () => actions.makeKey(context) }, "Make a key …")));

const SHOWN = { "": summary, licences, installations, usage, invoices, contracts, keys, timeline };

export async function show({ parts: [id, tab = ""], mayChange, reload }) {
  let found;
  try {
    found = await get(address("/api/customers", id));
  } catch (fault) {
    return [h("h1", {}, "Customer"), errorBox(fault)];
  }
  const { customer, subscription } = found;
  const name = customer.company_name || customer.email || customer.customer_id;
  const context = { id, name, customer, subscription, mayChange, reload };
  return [
    h("header", {},
      h("p", { class: "small" }, h("a", { href: "#/customers" }, "Customers")),
      h("h1", {}, name),
      h("p", { class: "row" }, customer.company_name ? h("span", { class: "muted" }, customer.email) : null,
        subscription ? badge(subscription.status) : badge("no subscription"), subscription ? h("span", {}, subscription.plan) : null)),
    h("nav", { class: "tabs", "aria-label": "Parts of this customer" }, TABS.map(([path, label]) =>
      h("a", { href: `#/customer/${id}${path ? `/${path}` : ""}`, "aria-current": path === tab ? "page" : null }, label))),
    part(() => (SHOWN[tab] || summary)(context), "Loading"),
  ];
}
