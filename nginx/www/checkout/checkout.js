// checkout.js: the pages to which Stripe sends the browser back. They say all that is needed without it; it adds the vendor,
// the plan, and for a customer who is signed in what counts now.
import { get } from "/shared/api.js";
import { fill, time } from "/shared/ui.js";
import { currentCaller, dress, supportLink } from "/shared/site.js";

const TRIES = 20;
const WAIT_MS = 1000;

const at = (id) => document.getElementById(id);
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** The plan that the address names, as it is sold. */
async function namedPlan() {
  const id = new URLSearchParams(location.search).get("plan");
  return id ? (await get("/api/plans")).plans.find((plan) => plan.plan === id) : undefined;
}

/** Waits until Stripe's message has arrived; null when it takes longer. */
async function paidSubscription(customer) {
  for (let i = 0; i < TRIES; i++) {
    const { subscription } = await get(`/api/customers/${customer}`);
    if (subscription?.kind === "stripe" && ["active", "trialing"].includes(subscription.status))
      return subscription;
    await wait(WAIT_MS);
  }
  return null;
}

async function showBought() {
  const plan = await namedPlan();
  if (plan)
    at("bought").textContent = `Your order of ${plan.name} has reached us.`;
  const caller = await currentCaller();
  const subscription = caller && await paidSubscription(caller.customer_id);
  if (subscription)
    fill(at("bought"), `${plan?.name ?? "Your plan"} is active until `, time(subscription.current_period_ends_at, { day: true }), ".");
}

const brand = await dress(document.title);
const help = supportLink(brand, "Write to us");
for (const place of document.querySelectorAll("[data-brand=help]"))
  fill(place, help && ["Questions? ", help, "."]);
if (at("done"))
  await showBought();
if (at("again")) {
  const plan = await namedPlan();
  at("again").href = plan ? `/pricing/?plan=${encodeURIComponent(plan.plan)}` : "/pricing/";
}
