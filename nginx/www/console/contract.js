// contract.js: deals outside the price list: listed with their versions, made, amended, renewed, ended.

import { address, get, newOnce, pages, patch, post } from "/shared/api.js";
import { badge, digitsOf, facts, field, h, money, pagedTable, part, time, words } from "/shared/ui.js";
import { intervalWords } from "/shared/words.js";
import { collect, controls, samplesOf, shown } from "./override.js";
import { changeInTwoSteps, differences } from "./preview.js";

const BILLING = [["manual", "Paid elsewhere"], ["stripe_invoice", "Stripe sends invoices"]];
const INTERVALS = [["1 year", "Year"], ["1 month", "Month"], ["3 month", "3 months"], ["6 month", "6 months"]];
const path = (context, ...more) => address("/api/customers", context.id, "contracts", ...more);
const over = (contract) => Boolean(contract.ended_at) || contract.status === "canceled";

/** The instant at which a day begins in UTC; a day that was set before keeps its time. */
const at = (date, before) => (!date ? undefined : before?.startsWith(date) ? before : `${date}T00:00:00Z`);

/** The terms of a contract that follows for as many months, or else as long; from now on, where the old one is over. */
function following(old) {
  const [start, end, now] = [new Date(old.starts_at), new Date(old.ends_at), new Date()];
  const months = (end.getUTCFullYear() - start.getUTCFullYear()) * 12 + end.getUTCMonth() - start.getUTCMonth();
  const late = over(old) || end < now;
  const next = late ? now : new Date(end);
  if (months > 0) next.setUTCMonth(next.getUTCMonth() + months);
  else next.setTime(next.getTime() + (end - start));
  return { ...old, starts_at: late ? undefined : old.ends_at, ends_at: next.toISOString() };
}

function priceOf({ price, currency = "usd", interval = "1 year" }) {
  const [count, unit] = interval.split(" ");
  const digits = /^[a-z]{3}$/i.test(currency) ? digitsOf(currency.toUpperCase()) : 2;
  return { amount_minor: Math.round(price * 10 ** digits), currency: currency.toLowerCase(), interval: unit, interval_count: Number(count) };
}

/** The controls of the terms, filled in as in `old`. */
function termFields(plans, samples, old, { started = false, empty = "Empty: none is recorded" } = {}) {
  const price = old?.price;
  const interval = price ? `${price.interval_count} ${price.interval}` : "1 year";
  const intervals = INTERVALS.some(([key]) => key === interval) ? INTERVALS : [[interval, intervalWords(price)], ...INTERVALS];
  return [
    field({ name: "plan", label: "Plan", options: plans.map((plan) => [plan.plan, plan.name]), value: old?.plan ?? plans.at(-1)?.plan }),
    started ? null : field({ name: "starts_at", label: "Starts", type: "date", value: old?.starts_at?.slice(0, 10) ?? "", help: "A day of UTC. Empty: now" }),
    field({ name: "ends_at", label: "Ends", type: "date", required: true, value: old?.ends_at.slice(0, 10) ?? "", help: "When this day begins in UTC" }),
    field({ name: "price", label: "Price", type: "number", min: "0", step: "any", help: empty,
      value: price ? String(price.amount_minor / 10 ** digitsOf(price.currency.toUpperCase())) : "" }),
    field({ name: "currency", label: "Currency", value: price?.currency ?? "usd", maxlength: "3" }),
    field({ name: "interval", label: "Per", options: intervals, value: interval }),
    field({ name: "days_until_due", label: "Days to pay an invoice", type: "number", min: "1", max: "365", value: old?.days_until_due ?? "", help: "Of invoices that Stripe sends" }),
    field({ name: "reference", label: "Reference", maxlength: "100", value: old?.reference ?? "", help: "The licence has it, as a purchase order" }),
    field({ name: "note", label: "Note", maxlength: "500", value: old?.note ?? "", help: "For operators alone" }),
    h("details", {}, h("summary", {}, "Other features and limits than the plan's"), h("div", { class: "form" }, controls(samples, old))),
  ];
}

/** The body that the controls make; `old` are the terms they were filled in with. */
const termsOf = (given, samples, old) => ({
  plan: given.plan, ends_at: at(given.ends_at, old?.ends_at), ...collect(given, samples),
  ...(given.starts_at ? { starts_at: at(given.starts_at, old?.starts_at) } : {}),
  ...(given.price === undefined ? {} : { price: priceOf(given) }),
  ...(given.days_until_due ? { days_until_due: given.days_until_due } : {}),
});

const priceWords = (price) => (price ? `${money(price.amount_minor, price.currency)} per ${intervalWords(price)}` : "none");
const valuesOf = (terms) => Object.entries({ ...terms.features, ...terms.limits }).map(([name, value]) => `${name}: ${shown(value)}`).join(", ") || "as the plan has them";

/** The terms as pairs of a name and what they say. */
const told = (terms) => [
  ["Plan", terms.plan], ["From", time(terms.starts_at)], ["Until", time(terms.ends_at)], ["Price", priceWords(terms.price)],
  ["Features and limits", valuesOf(terms)], terms.days_until_due && ["Days to pay", String(terms.days_until_due)],
  ["Reference", terms.reference ?? "–"], ["Note", terms.note ?? "–"],
].filter(Boolean);

/** The subscription that counts once the change is made. */
const counts = ({ subscription }) => h("p", {}, "What counts then: ", subscription ? `${subscription.plan}, ${words(subscription.status)}.` : "nothing.");
const LICENCE = ["The customer gets a new licence at its next request.", "A licence that grants more than the customer may have then is revoked."];

/** Makes a contract, filled in as in `old`. */
async function makeContract(context, title, old) {
  const { plans } = await get("/api/plans");
  const samples = samplesOf(plans, old);
  const once = newOnce();
  const made = await changeInTwoSteps({
    ask: { title, fields: [field({ name: "billing", label: "Billing", options: BILLING, value: old?.billing ?? "manual" }), termFields(plans, samples, old)] },
    read: (given) => ({
      ...termsOf(given, samples, old), billing: given.billing, ...(old ? { overage: old.overage } : {}),
      ...(given.reference ? { reference: given.reference } : {}), ...(given.note ? { note: given.note } : {}),
    }),
    tryOut: (wanted) => post(path(context), { ...wanted, dry_run: true }),
    confirm: (would, wanted) => ({
      title: old ? "Renew by this contract" : "Add this contract",
      says: [wanted.billing === "manual" ? "It is paid elsewhere, and counts by its dates." : "Stripe sends the invoices, and their payment counts.",
        "A running trial ends when the contract starts.", LICENCE[0]],
      content: h("div", { class: "stack" }, facts(told(would.contract)), counts(would)), label: old ? "Renew the contract" : "Add the contract",
    }),
    send: (wanted) => post(path(context), wanted, { once }),
    told: old ? "The contract is renewed." : "The contract is added.",
  });
  if (made) context.reload();
}

const renewContract = (context, old) => makeContract(context, "Renew the contract", following(old));

async function amendContract(context, old) {
  const { plans } = await get("/api/plans");
  const samples = samplesOf(plans, old);
  const started = new Date(old.starts_at) <= new Date();
  const amended = await changeInTwoSteps({
    ask: { title: "Amend the contract", fields: termFields(plans, samples, old, { started, empty: "Empty: as it is" }) },
    read: (given) => ({ version: old.version, ...termsOf(given, samples, old), reference: given.reference ?? null, note: given.note ?? null }),
    tryOut: (wanted) => patch(path(context, old.contract_id), { ...wanted, dry_run: true }),
    confirm: (would) => ({
      title: "Amend it so",
      says: [`These terms become version ${would.contract.version}. Version ${old.version} stays in the list.`,
        old.billing === "manual" ? "It is paid elsewhere: what is paid for it is not changed." : "Stripe bills by the new terms.", ...LICENCE],
      content: h("div", { class: "stack" }, changesOf(old, would.contract), counts(would)), label: "Amend the contract",
    }),
    send: (wanted) => patch(path(context, old.contract_id), wanted),
    told: "The contract is amended.",
  });
  if (amended) context.reload();
}

/** Terms side by side, where they differ in what a person reads. */
function changesOf(old, amended) {
  const text = (value) => value.textContent ?? value;
  const [was, is] = [Object.fromEntries(told(old)), Object.fromEntries(told(amended))];
  return differences(Object.keys({ ...was, ...is }).map((name) => ({ name, was: text(was[name] ?? "–"), is: text(is[name] ?? "–") })), "Nothing changes.");
}

async function endContract(context, contract) {
  const once = newOnce();
  const ended = await changeInTwoSteps({
    ask: {
      title: "End the contract",
      fields: [field({ name: "at", label: "Ends", type: "date", help: "When this day begins in UTC. Empty: now" }),
        field({ name: "reason", label: "Reason", maxlength: "500", help: "For operators alone" })],
    },
    read: (given) => ({ version: contract.version, ...(given.at ? { at: at(given.at) } : {}), ...(given.reason ? { reason: given.reason } : {}) }),
    tryOut: (wanted) => post(path(context, contract.contract_id, "end"), { ...wanted, dry_run: true }),
    confirm: (would, wanted) => ({
      title: wanted.at ? "Set this end" : "End it now",
      says: [wanted.at ? "What the contract grants ends with it. The customer may buy a plan that begins then." : "The contract ends now, and what it grants with it.",
        "It stays in the list.", ...LICENCE],
      content: h("div", { class: "stack" }, facts([["Until", time(would.contract.ended_at ?? would.contract.ends_at)]]), counts(would)),
      label: wanted.at ? "Set the end" : "End now", danger: true,
    }),
    send: (wanted) => post(path(context, contract.contract_id, "end"), wanted, { once }),
    told: (would, wanted) => (wanted.at ? "The end of the contract is set." : "The contract has ended."),
  });
  if (ended) context.reload();
}

/** The previous terms, each version with who made it. */
const versions = (contract) => contract.versions.length > 1 && h("details", {}, h("summary", {}, `${contract.versions.length} versions`),
  h("ol", {}, contract.versions.map((one) => h("li", {}, `${one.plan}, ${priceWords(one.price)}, until `, time(one.ends_at, { day: true }), ". Made ",
    time(one.created_at, { day: true }), " by ", h("code", {}, one.created_by)))));

const buttons = (context, row) => h("span", { class: "row" },
  over(row) ? null : h("button", { type: "button", onclick: () => amendContract(context, row) }, "Amend …"),
  h("button", { type: "button", onclick: () => renewContract(context, row) }, "Renew …"),
  over(row) ? null : h("button", { type: "button", class: "danger", onclick: () => endContract(context, row) }, "End …"));

export const contracts = (context) => h("div", { class: "card stack" }, h("h2", {}, "Contracts"),
  part(() => pagedTable({
    caption: "Contracts, newest first", hideCaption: true, empty: "There is no contract.",
    columns: [
      { name: "Contract", head: true, show: (row) => h("span", {}, row.reference || h("code", {}, row.contract_id), versions(row)) },
      { name: "Plan", show: (row) => row.plan },
      { name: "Status", show: (row) => badge(row.status) },
      { name: "From", show: (row) => time(row.starts_at, { day: true }) },
      { name: "Until", show: (row) => time(row.ended_at ?? row.ends_at, { day: true }) },
      { name: "Price", number: true, show: (row) => priceWords(row.price) },
      { name: "Note", show: (row) => [row.note, row.end_reason].filter(Boolean).join("; ") || "–" },
      ...(context.mayChange ? [{ name: "Action", show: (row) => buttons(context, row) }] : []),
    ],
  }, pages(path(context), { limit: 20 }, "contracts"))),
  context.mayChange && h("div", { class: "row" }, h("button", { type: "button", onclick: () => makeContract(context, "Add a contract") }, "Add a contract …")));
