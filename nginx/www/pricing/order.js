// order.js: the chosen plan with seats and add-ons, the sign-up, and the way to the payment.
import { newOnce, post, signIn } from "/shared/api.js";
import { busy, errorBox, field, fill, h, money, showFaults, values } from "/shared/ui.js";
import { signedIn } from "/shared/site.js";
import { nameWords, perWords, priceKey } from "/shared/words.js";

const QUANTITY_MAX = 1000000;

const addonPrice = (addon, price) => addon.prices.find((one) => priceKey(one) === priceKey(price));

function numberField(name, label, value, min) {
  const box = field({ name, label, type: "number", value, min, max: QUANTITY_MAX, step: 1, inputmode: "numeric" });
  box.classList.add("short");
  return box;
}

const quantityLabel = (sold) =>
  (sold.per === 1 ? nameWords(sold.quantity) : `Packages of ${sold.per} ${nameWords(sold.quantity).toLowerCase()}`);

/** The body of the checkout request for this order. */
function orderOf(form, { plan, price, addons }) {
  const given = values(form);
  const body = { plan: plan.plan, interval: price.interval, interval_count: price.interval_count, currency: price.currency };
  if (plan.quantity) body.quantity = given.quantity ?? 1;
  const chosen = addons.map((addon) => [addon.addon, Number(given[`addon-${addon.addon}`] ?? 0)]).filter(([, count]) => count > 0);
  if (chosen.length > 0) body.addons = Object.fromEntries(chosen);
  return body;
}

function showTotal(form, order) {
  const body = orderOf(form, order);
  const sum = order.addons.reduce((so_far, addon) =>
    so_far + addonPrice(addon, order.price).amount_minor * (body.addons?.[addon.addon] ?? 0),
  order.price.amount_minor * (body.quantity ?? 1));
  fill(form.querySelector("output"), `${money(sum, order.price.currency)} ${perWords(order.price)}`);
}

function addonField(addon, price) {
  const cost = addonPrice(addon, price);
  const label = `${addon.name}, ${money(cost.amount_minor, cost.currency)} ${perWords(cost, addon)}`;
  const name = `addon-${addon.addon}`;
  return addon.quantity ? numberField(name, label, 0, 0) : field({ name, label, type: "checkbox", value: false });
}

function signUpFields(brand) {
  const links = [["terms", brand.terms], ["privacy policy", brand.privacy]].filter(([, address]) => address)
    .map(([label, address], index) => [index > 0 && " and ", h("a", { href: address, target: "_blank", rel: "noreferrer" }, label)]);
  return [field({ name: "email", label: "E-mail address", type: "email", autocomplete: "email", required: true, maxlength: 254 }),
    field({ name: "company_name", label: "Company (optional)", autocomplete: "organization", maxlength: 200,
      help: "Your licence is made out to it, or else to the e-mail address." }),
    links.length > 0 && h("p", { class: "muted" }, "By signing up you agree to our ", links, ".")];
}

/** Signs the customer up and opens a session. A repeated sign-up with the same data is the same one. */
async function signUp(form, order) {
  const { email, company_name } = values(form);
  const body = company_name ? { email, company_name } : { email };
  const text = JSON.stringify(body);
  if (order.sent !== text) Object.assign(order, { sent: text, once: newOnce() });
  const made = await post("/api/customers", body, { anonymous: true, once: order.once });
  const { caller } = await signIn({ api_key: made.api_key });
  signedIn.set(true);
  return caller;
}

const WAYS = {
  customer_exists: ["Sign in to your account", ", and choose the plan there."],
  subscription_exists: ["Your account", " has what you pay for: change it there."],
};

/** The error in words, and what the customer can do about it. */
function explain(form, place, fault) {
  if (showFaults(form, fault)) return;
  const way = WAYS[fault.code];
  const box = errorBox(fault);
  if (way) box.append(h("p", {}, h("a", { href: "/account/" }, way[0]), way[1]));
  fill(place, box);
  box.scrollIntoView({ block: "nearest" });
}

async function buy(form, shop, order, tryFirst) {
  shop.caller ??= await signUp(form, order);
  if (tryFirst) {
    location.assign("/account/");
    return;
  }
  const { checkout_url: address } = await post("/api/subscriptions/checkout",
    { customer_id: shop.caller.customer_id, ...orderOf(form, order) });
  location.assign(address);
}

/** Shows the order of the plan and goes there. */
export function showOrder(place, shop, plan, price) {
  const order = { plan, price, addons: shop.offer.addons.filter((addon) => addonPrice(addon, price)) };
  const newcomer = !shop.caller;
  const problem = h("div");
  const title = h("h2", { tabindex: "-1" }, `Your order: ${plan.name}`);
  const form = h("form", { class: "card order" }, title,
    h("p", { class: "muted" }, `${money(price.amount_minor, price.currency)} ${perWords(price, plan)}`),
    plan.quantity && numberField("quantity", quantityLabel(plan), 1, 1),
    order.addons.map((addon) => addonField(addon, price)), newcomer && signUpFields(shop.brand),
    h("p", { class: "total" }, "Total: ", h("output")), problem,
    h("div", { class: "actions" }, h("button", { class: "primary", value: "pay" }, "Continue to payment"),
      newcomer && h("button", { value: "trial" }, `Try ${shop.offer.trial.days} days first`)),
    h("p", { class: "muted" }, "Taxes, if any, are shown before you pay."));
  form.addEventListener("input", () => showTotal(form, order));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fill(problem);
    busy(event.submitter ?? form.querySelector(".primary"), () => buy(form, shop, order, event.submitter?.value === "trial"),
      (fault) => explain(form, problem, fault));
  });
  fill(place, form);
  place.hidden = false;
  showTotal(form, order);
  title.focus({ preventScroll: true });
  place.scrollIntoView({ block: "start" });
}
