// actions.js: what an owner can do to a customer. Each says before what will happen.

import { address, ApiError, get, newOnce, patch, post, remove } from "/shared/api.js";
import { dialog, field, h, money, notice, secret, table, time } from "/shared/ui.js";
import { changeInTwoSteps } from "./preview.js";

const body = (context, more) => ({ customer_id: context.id, ...more });

async function after(context, done, text) {
  if (done === undefined) return;
  if (text) notice(text);
  context.reload();
}

const planChoices = (plans) => plans.map((plan) => [plan.plan, plan.name]);
const intervalChoices = [["", "As now"], ["month", "Monthly"], ["year", "Yearly"]];

/** The price of a change, as Stripe calculates it. */
const previewed = (preview) => h("div", { class: "stack" },
  preview.lines.length > 0 && table({
    caption: "What Stripe would charge, before tax", rows: preview.lines,
    columns: [
      { name: "Item", head: true, show: (row) => row.description || "–" },
      { name: "Amount", number: true, show: (row) => money(row.amount, preview.currency) },
    ],
  }).element,
  preview.over_limit.length > 0 && h("p", { class: "message warn" }, "More is in use than the new plan has: ",
    preview.over_limit.map((one) => `${one.name} ${one.in_use} of ${one.limit}`).join(", "), ". Nothing is switched off for that."));

/** Asks for the plan, shows what it would cost, and changes it when that is confirmed. */
export async function changePlan(context) {
  const { plans } = await get("/api/plans");
  const once = newOnce();
  const changed = await changeInTwoSteps({
    ask: {
      title: "Change the plan",
      fields: [
        field({ name: "plan", label: "New plan", options: planChoices(plans), value: context.subscription.plan }),
        field({ name: "interval", label: "Billed", options: intervalChoices }),
      ],
    },
    tryOut: (wanted) => post("/api/subscriptions/preview", body(context, wanted)),
    confirm: (preview) => ({
      title: `Change to ${preview.new_plan}`,
      says: [
        preview.effective === "now" ? `The plan becomes ${preview.new_plan} at once.` : `The plan becomes ${preview.new_plan} with the next period, ${new Date(preview.period_ends_at).toLocaleDateString(undefined, { dateStyle: "long" })}.`,
        preview.amount_due > 0 ? `${money(preview.amount_due, preview.currency)} is charged now.` : "Nothing is charged now.",
        "Installations get the new licence by themselves when they ask next.",
      ],
      content: previewed(preview), label: "Change the plan",
    }),
    send: (wanted, preview) => post("/api/subscriptions/upgrade", body(context,
      { ...wanted, ...(preview.effective === "now" ? { proration_at: preview.proration_at } : {}) }), { once }),
    told: (preview) => `The plan is changed to ${preview.new_plan}.`,
  });
  if (changed) context.reload();
}

/** A page of Stripe's on which the customer pays. */
async function checkout(context) {
  const { plans } = await get("/api/plans");
  const once = newOnce();
  await dialog({
    title: "Sell a plan",
    says: ["Stripe makes a page on which the customer pays. Send its address to the customer.", "An older open page of this customer is closed. Nothing changes until the payment."],
    fields: [
      field({ name: "plan", label: "Plan", options: planChoices(plans.filter((plan) => plan.prices.length > 0 || plan.price === null)) }),
      field({ name: "interval", label: "Billed", options: [["", "The plan's first price"], ...intervalChoices.slice(1)] }),
    ],
    label: "Make the page",
    act: async (given) => secret((await post("/api/subscriptions/checkout", body(context, given), { once })).checkout_url, "Address of the payment page"),
  });
}

async function cancel(context) {
  const trial = context.subscription.status === "trialing";
  const once = newOnce();
  const done = await dialog({
    title: "Cancel the subscription",
    says: ["At the end of the period: the customer keeps what is paid, and can resume until then.", "Now: access ends at once, without a refund."],
    fields: [field({ name: "when", label: "When", options: trial ? [["now", "Now"], ["end", "At the end of the trial"]] : [["end", "At the end of the period"], ["now", "Now"]], value: trial ? "now" : "end" })],
    label: "Cancel the subscription", danger: true,
    act: (given) => post("/api/subscriptions/cancel", body(context, { at_period_end: given.when === "end" }), { once }),
  });
  await after(context, done, done?.message);
}

async function resume(context) {
  const once = newOnce();
  const done = await dialog({
    title: "Resume the subscription", says: ["The cancellation is taken back, and the subscription is billed on as before."],
    label: "Resume", act: () => post("/api/subscriptions/resume", body(context), { once }),
  });
  await after(context, done, done?.message);
}

export function subscriptionButtons(subscription, context) {
  const button = (text, run, kind = "") => h("button", { type: "button", class: kind, onclick: () => run(context).catch((fault) => notice(fault.message, "bad")) }, text);
  const s = subscription;
  const live = s && ["active", "past_due", "unpaid", "paused", "trialing"].includes(s.status);
  const atStripe = s?.kind === "stripe" && live;
  const ending = Boolean(s?.cancel_at_period_end || s?.cancel_at);
  return h("div", { class: "row" },
    atStripe ? button("Change plan …", changePlan) : s?.kind === "contract" && live ? null : button("Sell a plan …", checkout),
    live && s.kind !== "contract" && !ending ? button("Cancel …", cancel, "danger") : null,
    atStripe && ending ? button("Resume …", resume) : null);
}

export async function revoke(context) {
  const done = await dialog({
    title: "Cancel and revoke all licences",
    says: ["The subscription is cancelled at once, at Stripe too.", "All licences go on the revocation list. Installations that are online stop within the time of the list; others at their licence's end.", "This cannot be undone."],
    fields: [field({ name: "reason", label: "Reason", help: "For the audit trail", maxlength: "100" })],
    label: "Revoke", danger: true,
    act: (given) => post(address("/api/licenses", context.id, "revoke"), given, { once: newOnce() }),
  });
  await after(context, done, done?.message);
}

export async function rotate(context) {
  const done = await dialog({
    title: "Rotate the licence",
    says: ["A new licence is issued, and the older ones are revoked. The subscription stays.", "Installations fetch the new licence by themselves; a licence that was copied by hand must be copied again."],
    label: "Rotate", act: () => post(address("/api/licenses", context.id, "rotate"), {}, { once: newOnce() }),
  });
  await after(context, done, "A new licence is issued; the older ones are revoked.");
}

export async function release(context, instance) {
  const done = await dialog({
    title: `Release ${instance}`,
    says: ["The installation no longer counts, and another one can take its place.", "It counts again when it sends another report."],
    label: "Release", act: () => remove(address("/api/customers", context.id, "instances", instance)),
  });
  await after(context, done, `${instance} is released.`);
}

export async function makeKey(context) {
  const once = newOnce();
  const done = await dialog({
    title: "Make an API key", says: ["The key is shown once. Who has it can act for the customer within its scopes."],
    fields: [
      field({ name: "name", label: "Name", help: "What the key is for", maxlength: "100", required: true }),
      ...["license", "usage", "billing"].map((scope) => field({ name: scope, label: `Scope ${scope}`, type: "checkbox", value: scope !== "billing" })),
    ],
    label: "Make the key",
    act: async (given) => {
      const scopes = ["license", "usage", "billing"].filter((scope) => given[scope]);
      const made = await post(address("/api/customers", context.id, "keys"), { ...(given.name ? { name: given.name } : {}), scopes }, { once });
      return secret(made.api_key, "The new key");
    },
  });
  await after(context, done);
}

export async function revokeKey(context, key) {
  const done = await dialog({
    title: `Revoke the key ${key.name || key.key_id}`,
    says: ["Programs that use it are refused from now on, and browsers that signed in with it are signed out.", "This cannot be undone."],
    label: "Revoke", danger: true, act: () => remove(address("/api/customers", context.id, "keys", key.key_id)),
  });
  await after(context, done, "The key is revoked.");
}

export async function link(context) {
  await dialog({
    title: "One-time link to the account page",
    says: ["Who opens the link first is signed in as this customer, for 12 hours at most.", "It works once. Send it only to the customer."],
    fields: [field({ name: "expires_in_minutes", label: "Can be used for", options: [["60", "1 hour"], ["1440", "1 day"], ["10080", "7 days"]], value: "60" })],
    label: "Make the link",
    act: async (given) => {
      const made = await post(address("/api/customers", context.id, "links"), { expires_in_minutes: Number(given.expires_in_minutes) }, { once: newOnce() });
      return h("div", { class: "stack" }, secret(made.url, "The link"), h("p", { class: "small muted" }, "Until ", time(made.expires_at)));
    },
  });
}

export async function edit(context) {
  const { customer } = context;
  const done = await dialog({
    title: "Change the customer", says: ["Stripe and the next licence get the new name and address."],
    fields: [
      field({ name: "email", label: "E-mail", type: "email", value: customer.email || "", maxlength: "254" }),
      field({ name: "company_name", label: "Company", value: customer.company_name || "", maxlength: "200" }),
    ],
    label: "Save",
    act: (given) => patch(address("/api/customers", context.id), { email: given.email ?? "", company_name: given.company_name ?? null }),
  });
  await after(context, done, "The customer is changed.");
}

const typed = (text) => (text ?? "").replace(/\s+/g, " ").trim();

/** Deletes the customer, once its name is typed. */
export async function erase(context) {
  const done = await dialog({
    title: `Delete ${context.name}`,
    says: [
      "Its name and addresses are erased, here and in the events, and so are its overrides, and the notes and references of its contracts.",
      "Its subscriptions and contracts end at once, at Stripe too, without a refund. All its licences go on the revocation list.",
      "Its keys are refused, and its browsers are signed out. What was sold, used and billed stays, without a name.",
      "This cannot be undone.",
    ],
    fields: [field({ name: "name", label: "The customer's name", help: `Type ${context.name} to confirm`, required: true, autocomplete: "off", spellcheck: "false" })],
    label: "Delete for ever", danger: true,
    act: ({ name }) => {
      if (typed(name) !== typed(context.name)) throw new ApiError("The name is another one.", { details: [{ field: "name", message: "must be the customer's name" }] });
      return remove(address("/api/customers", context.id));
    },
  });
  if (done === undefined) return;
  notice(`${context.name} is deleted.`);
  location.hash = "#/customers";
}
