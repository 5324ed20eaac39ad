// state.js: the plan of the customer, until when, how much of it is used, and the way to change it.
import { get, post } from "/shared/api.js";
import { badge, busy, h, meter, number, table, time } from "/shared/ui.js";
import { isUnbounded, nameWords, valueWords } from "/shared/words.js";

const DAY_MS = 86400000;
const SOURCES = { plan: "plan", addon: "add-on", contract: "contract", override: "agreed with you" };
const OVER = ["canceled", "incomplete_expired"];

const onDay = (iso) => time(iso, { day: true });

function daysLeft(iso) {
  const days = Math.max(Math.ceil((Date.parse(iso) - Date.now()) / DAY_MS), 0);
  return days === 1 ? "1 day left" : `${days} days left`;
}

function activeWords(one) {
  const end = one.cancel_at ?? (one.cancel_at_period_end ? one.current_period_ends_at : null);
  return end ? ["Active until ", onDay(end), ". It is cancelled and ends then."] :
    ["Active until ", onDay(one.current_period_ends_at), ". It renews then."];
}

/** The meaning of the status, in a sentence or two. */
function sentences(one, access) {
  if (!one) return ["You have no plan yet."];
  if (one.kind === "contract" && one.ends_at)
    return [one.status === "active" ? "Your contract is active until " : "Your contract is over since ", onDay(one.ends_at), "."];
  if (one.kind === "trial")
    return one.status === "trialing" ? ["Trial until ", onDay(one.trial_ends_at), `, ${daysLeft(one.trial_ends_at)}.`] :
      ["Your trial has ended. Choose a plan to go on."];
  if (one.pause_behavior || one.status === "paused") return ["Your subscription is paused."];
  if (one.status === "active" || one.status === "trialing") return activeWords(one);
  if (one.status === "past_due")
    return ["The last payment failed. ", access?.access && ["Your access goes on until ", onDay(access.until), ". "],
      "Please pay, or enter another card."];
  return ["Your subscription has ended", one.ended_at && [" on ", onDay(one.ended_at)], ". Choose a plan to come back."];
}

function badgeOf(one, access) {
  return access && !access.access ? badge("no access", "bad") : badge(one.status === "trialing" && one.kind === "trial" ? "trial" : one.status);
}

/** To Stripe's page of this customer, and back here. */
function portalButton(account, label, kind) {
  const button = h("button", { type: "button", class: kind }, label);
  button.addEventListener("click", () => busy(button, async () => {
    const { portal_url: address } = await post("/api/subscriptions/portal", { customer_id: account.id });
    location.assign(address);
  }));
  return button;
}

function actions(account, one) {
  if (one?.kind === "contract")
    return h("p", { class: "muted" }, "Your contract is changed with us in person.");
  if (!one || one.kind === "trial" || OVER.includes(one.status))
    return h("div", { class: "actions" }, h("a", { class: "button primary", href: "/pricing/" }, "Choose a plan"),
      one?.stripe_subscription_id && portalButton(account, "Payment details"));
  return h("div", { class: "actions" },
    portalButton(account, one.status === "past_due" ? "Pay now" : "Change or cancel", "primary"));
}

/** "Devices: 7 of 10", as words and as a bar. */
function levels(limits) {
  const rows = [["Devices", limits.devices], ["Installations", limits.instances],
    ...Object.entries(limits.metrics).map(([name, level]) => [`${nameWords(name)} this month`, level])];
  return h("div", { class: "meters" }, rows.filter(([, level], index) => index === 0 || level.max !== null).map(([name, level]) =>
    h("div", {}, h("p", { class: "muted" }, name), isUnbounded(level.max) ? h("p", {}, `${number(level.current)}, without a limit`) : meter(level.current, level.max, name))));
}

function rights(access) {
  return h("details", {}, h("summary", {}, "All that your plan includes"), table({
    caption: "All that your plan includes", hideCaption: true,
    columns: [{ name: "You have", head: true, show: ([name]) => nameWords(name) },
      { name: "How much", show: ([name, right]) => valueWords(name, right.value) },
      { name: "From", show: ([, right]) => SOURCES[right.source] ?? right.source },
      { name: "Until", show: ([, right]) => right.until && onDay(right.until) }],
    rows: [...Object.entries(access.features), ...Object.entries(access.limits)],
  }).element);
}

/** The answer, or null where the customer has no subscription. */
async function ofSubscription(path) {
  try {
    return await get(path);
  } catch (fault) {
    if (fault.code === "subscription_not_found") return null;
    throw fault;
  }
}

export async function showState(account) {
  const [{ customer, subscription: one }, access, limits, { plans }] = await Promise.all([
    get(`/api/customers/${account.id}`),
    account.caller.scopes.includes("license") ? ofSubscription(`/api/customers/${account.id}/entitlements`) : null,
    account.caller.scopes.includes("usage") ? ofSubscription(`/api/usage/${account.id}/limits`) : null,
    get("/api/plans"),
  ]);
  const nameOf = (id) => plans.find((plan) => plan.plan === id)?.name ?? id;
  document.getElementById("title").textContent = customer.company_name ?? customer.email;
  return h("div", {}, h("p", { class: "plan-name" }, one ? nameOf(one.plan) : "No plan",
    one && badgeOf(one, access)),
  h("p", { class: "lead" }, sentences(one, access)),
  one?.scheduled_plan && h("p", {}, `${nameOf(one.scheduled_plan)} begins with the next period.`),
  limits && levels(limits), actions(account, one), access && rights(access));
}
