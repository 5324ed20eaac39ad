// contract.js: deals outside the price list. A dry run says before what would result.

import { address, get, newOnce, post } from "/shared/api.js";
import { dialog, facts, field, money, notice, time } from "/shared/ui.js";

const at = (date) => (date ? `${date}T00:00:00Z` : undefined);

function read(given) {
  const price = given.amount === undefined ? null : {
    amount_minor: Math.round(given.amount * 10 ** new Intl.NumberFormat("en", { style: "currency", currency: given.currency || "usd" }).resolvedOptions().maximumFractionDigits),
    currency: (given.currency || "usd").toLowerCase(), interval: given.interval,
  };
  return {
    plan: given.plan, billing: given.billing, ends_at: at(given.ends_at),
    ...(given.starts_at ? { starts_at: at(given.starts_at) } : {}),
    ...(price ? { price } : {}),
    ...(given.reference ? { reference: given.reference } : {}),
    ...(given.note ? { note: given.note } : {}),
  };
}

export async function addContract(context) {
  const { plans } = await get("/api/plans");
  const path = address("/api/customers", context.id, "contracts");
  let wanted, would;
  await dialog({
    title: "Add a contract",
    says: ["The next step shows what would result. Nothing changes before you confirm it."],
    fields: [
      field({ name: "plan", label: "Plan", options: plans.map((plan) => [plan.plan, plan.name]), value: plans.at(-1)?.plan }),
      field({ name: "billing", label: "Billing", options: [["manual", "Paid elsewhere"], ["stripe_invoice", "Stripe sends invoices"]], value: "manual" }),
      field({ name: "starts_at", label: "Starts", type: "date", help: "Empty: now" }),
      field({ name: "ends_at", label: "Ends", type: "date", required: true }),
      field({ name: "amount", label: "Price", type: "number", min: "0", step: "any", help: "Empty: none is recorded" }),
      field({ name: "currency", label: "Currency", value: "usd", maxlength: "3" }),
      field({ name: "interval", label: "Per", options: [["year", "Year"], ["month", "Month"]], value: "year" }),
      field({ name: "reference", label: "Reference", maxlength: "100", help: "The licence has it, as a purchase order" }),
      field({ name: "note", label: "Note", maxlength: "500", help: "For operators alone" }),
    ],
    label: "Preview",
    act: async (given) => {
      wanted = read(given);
      would = await post(path, { ...wanted, dry_run: true });
    },
  });
  if (!would) return;
  const { contract } = would;
  const once = newOnce();
  const done = await dialog({
    title: "Add this contract",
    says: [
      wanted.billing === "manual" ? "It is paid elsewhere, and counts by its dates." : "Stripe sends the invoices, and their payment counts.",
      "A running trial ends when the contract starts. The customer gets a new licence at its next request.",
    ],
    content: facts([["Plan", contract.plan], ["From", time(contract.starts_at)], ["Until", time(contract.ends_at)],
      ["Price", contract.price ? `${money(contract.price.amount_minor, contract.price.currency)} per ${contract.price.interval}` : "none"], ["Reference", contract.reference]]),
    label: "Add the contract", act: () => post(path, wanted, { once }),
  });
  if (done === undefined) return;
  notice("The contract is added.");
  context.reload();
}

export async function endContract(context, contract) {
  const done = await dialog({
    title: "End the contract",
    says: ["The contract ends now, and what it grants with it. It stays in the list."],
    fields: [field({ name: "reason", label: "Reason", maxlength: "500" })],
    label: "End the contract", danger: true,
    act: (given) => post(address("/api/customers", context.id, "contracts", contract.contract_id, "end"), given, { once: newOnce() }),
  });
  if (done === undefined) return;
  notice("The contract has ended.");
  context.reload();
}
