// pricing.js: the plans with all their prices, and the way to buy one.
import { get } from "/shared/api.js";
import { errorBox, fill, h, money } from "/shared/ui.js";
import { currentCaller, dress, supportLink } from "/shared/site.js";
import { intervalWords, nameWords, perWords, planWords, useMoney, valueWords } from "/shared/words.js";
import { showOrder } from "/pricing/order.js";

const at = (id) => document.getElementById(id);
const shop = { brand: null, offer: null, caller: null, interval: null, currency: null };

const intervalOf = (price) => `${price.interval_count} ${price.interval}`;

/** The price of the chosen interval and currency; else the nearest one. */
function priceOf(sold) {
  const same = sold.prices.filter((price) => price.currency === shop.currency);
  return same.find((price) => intervalOf(price) === shop.interval) ?? same[0] ?? sold.prices[0];
}

/** A choice of one value, as a row of buttons. */
function segments(name, legend, values, label) {
  return h("fieldset", { class: "segments" }, h("legend", {}, legend), values.map((value) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: value === shop[name] }), h("span", {}, label(value)))));
}

/** The choice of interval and currency, where there is more than one. */
function showChoices() {
  const prices = shop.offer.plans.flatMap((plan) => plan.prices);
  const intervals = [...new Set(prices.map(intervalOf))];
  const currencies = [...new Set(prices.map((price) => price.currency))];
  const form = at("choices");
  [shop.interval] = intervals;
  [shop.currency] = currencies;
  const words = (value) => intervalWords({ interval_count: Number(value.split(" ")[0]), interval: value.split(" ")[1] });
  fill(form, intervals.length > 1 && segments("interval", "Billed every", intervals, words),
    currencies.length > 1 && segments("currency", "Currency", currencies, (value) => value.toUpperCase()));
  form.hidden = form.childElementCount === 0;
  form.addEventListener("change", (event) => {
    shop[event.target.name] = event.target.value;
    showPlans();
  });
}

function priceLines(sold) {
  const price = priceOf(sold);
  if (!price)
    return h("p", { class: "amount" }, "On request", h("small", {}, "a price that fits your use"));
  const others = sold.prices.filter((one) => one !== price && one.currency === price.currency);
  return [h("p", { class: "amount" }, money(price.amount_minor, price.currency), h("small", {}, perWords(price, sold))),
    others.length > 0 && h("p", { class: "muted" }, "or ",
      others.map((one) => `${money(one.amount_minor, one.currency)} ${perWords(one, sold)}`).join(", "))];
}

/** The list of prices that are billed by use, beside the plan. */
function meteredLines(plan) {
  const currency = priceOf(plan)?.currency;
  return plan.metered.filter((one) => one.currency === currency)
    .map((one) => `${nameWords(one.metric)}: ${useMoney(one.amount_minor, one.currency)} each, by use`);
}

const maySell = (plan) => plan.prices.length > 0 && shop.brand.checkout && (shop.brand.sign_up || shop.caller);

/** The button of a plan: to buy it, or to the vendor. */
function actionOf(plan, first) {
  const kind = first ? "button primary" : "button";
  if (maySell(plan))
    return h("button", { type: "button", class: kind, onclick: () => choose(plan) }, `Choose ${plan.name}`);
  const link = supportLink(shop.brand, "Contact us", plan.name);
  if (link) link.className = kind;
  return link ?? h("p", { class: "button-like" }, "Please contact us.");
}

function planCard(plan, first) {
  const id = `plan-${plan.plan}`;
  return h("article", { class: first ? "plan first" : "plan", "aria-labelledby": id }, h("h2", { id }, plan.name),
    priceLines(plan), actionOf(plan, first),
    h("ul", { class: "ticks" }, [...planWords(plan), ...meteredLines(plan)].map((line) => h("li", {}, line))));
}

function showAddons() {
  const { addons } = shop.offer;
  at("addons").hidden = addons.length === 0;
  fill(at("addons"), h("h2", {}, "Add-ons"), h("div", { class: "plans" }, addons.map((addon) =>
    h("article", { class: "plan" }, h("h3", {}, addon.name), priceLines(addon),
      h("ul", { class: "ticks" }, planWords(addon, true).map((line) => h("li", {}, line)))))));
}

function showPlans() {
  const { plans } = shop.offer;
  const priced = plans.filter((plan) => plan.prices.length > 0);
  const first = priced[Math.min(1, priced.length - 1)];
  fill(at("plans"), plans.map((plan) => planCard(plan, plan === first)));
  at("plans").setAttribute("aria-busy", "false");
  showAddons();
}

/** The trial and all plans beside each other, name by name. */
function showComparison() {
  const { plans, trial } = shop.offer;
  const columns = [{ name: `Trial, ${trial.days} days`, features: trial.features, limits: trial.limits }, ...plans];
  const cells = (kind, name, missing) => columns.map((column) => h("td", {}, column.quantity === name ? "as you buy" :
    valueWords(name, name in column[kind] ? column[kind][name] : missing)));
  const rows = [["features", undefined], ["limits", null]].flatMap(([kind, missing]) =>
    [...new Set(columns.flatMap((column) => Object.keys(column[kind])))].map((name) =>
      h("tr", {}, h("th", { scope: "row" }, nameWords(name)), cells(kind, name, missing))));
  at("compare").hidden = false;
  fill(at("compare"), h("h2", {}, "Compare the plans"),
    h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Comparison of the plans" }, h("table", {},
      h("caption", { class: "hidden-text" }, "The trial and all plans, name by name"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "You get"), columns.map((column) => h("th", { scope: "col" }, column.name)))),
      h("tbody", {}, rows))));
}

function showLead() {
  const contact = () => supportLink(shop.brand, "Contact us") ?? "Please contact us";
  if (shop.caller)
    fill(at("lead"), "You are signed in. Choose a plan and pay: your licence follows by itself.");
  else if (shop.brand.sign_up)
    fill(at("lead"), `Try it for ${shop.offer.trial.days} days without paying, or begin with a plan at once.`);
  else
    fill(at("lead"), "New customers sign up with us in person. ", contact(), ". If you have an account, ",
      h("a", { href: "/account/" }, "sign in"), " to choose a plan.");
}

function choose(plan) {
  showOrder(at("order"), shop, plan, priceOf(plan));
}

try {
  [shop.brand, shop.offer, shop.caller] = await Promise.all([dress("Prices"), get("/api/plans", { anonymous: true }), currentCaller()]);
  showChoices();
  showLead();
  showPlans();
  showComparison();
  const wanted = new URLSearchParams(location.search).get("plan");
  const plan = shop.offer.plans.find((one) => one.plan === wanted);
  if (plan && maySell(plan)) choose(plan);
} catch (fault) {
  fill(at("plans"), errorBox(fault, () => location.reload()));
}
