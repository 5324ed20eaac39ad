// words.js: prices, features and limits of plans in words. The names are the vendor's (plans.json), so that the words are
// made of them: "max_devices" with 50 is "50 devices", "data_retention_days" with 30 is "Data retention: 30 days".

const UNITS = ["seconds", "minutes", "hours", "days", "weeks", "months", "years", "mb", "gb", "tb"];
const CAPITALS = ["api", "mqtt", "sso", "mb", "gb", "tb", "sla", "ip", "vpn", "saml", "csv", "pdf", "sms", "id", "url", "cpu", "ai"];
const WITHOUT_BOUND = 999999;

/** The words of a name: "maxAlertRules" and "max_alert_rules" are ["max", "alert", "rules"]. */
function parts(name) {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase().split("_").filter(Boolean);
}

function joined(list) {
  return list.map((word) => (CAPITALS.includes(word) ? word.toUpperCase() : word)).join(" ");
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The name without "max", "can", "has" and "is" before it, and without a unit behind it. */
function subject(name) {
  const list = parts(name);
  const kind = ["max", "can", "has", "is"].includes(list[0]) && list.length > 1 ? list.shift() : "";
  const unit = UNITS.includes(list.at(-1)) && list.length > 1 ? list.pop() : "";
  return { kind, unit, list };
}

/** "Devices", "Data retention", "API access". */
export function nameWords(name) {
  return capital(joined(subject(name).list));
}

/** One of it: "user", "alert rule". */
export function oneOf(name) {
  const { list } = subject(name);
  return joined([...list.slice(0, -1), list.at(-1).replace(/ies$/, "y").replace(/([^s])s$/, "$1")]);
}

export function isUnbounded(value) {
  return value === null || value === WITHOUT_BOUND;
}

/** A value of a table: "50", "30 days", "unlimited", "yes". */
export function valueWords(name, value) {
  if (typeof value === "boolean")
    return value ? "yes" : "no";
  if (typeof value === "string")
    return value;
  if (value === undefined)
    return "no";
  if (isUnbounded(value))
    return "unlimited";
  const { unit } = subject(name);
  const number = value.toLocaleString();
  return unit ? `${number} ${joined([value === 1 ? unit.replace(/s$/, "") : unit])}` : number;
}

/** A line of a plan's list; "" for what it does not have. */
export function featureWords(name, value) {
  const { kind, unit, list } = subject(name);
  if (value === false || value === undefined || value === 0)
    return "";
  if (value === true)
    return capital(joined(list));
  if (typeof value === "string" || unit)
    return `${capital(joined(list))}: ${valueWords(name, value)}`;
  if (isUnbounded(value))
    return `Unlimited ${joined(list)}`;
  if (kind === "max" || list.at(-1).endsWith("s"))
    return `${value.toLocaleString()} ${value === 1 ? oneOf(name) : joined(list)}`;
  return `${capital(joined(list))}: ${valueWords(name, value)}`;
}

/** All of it, with what is bought in a quantity first. An add-on's numbers come on top of the plan's. */
export function planWords(sold, isAddon = false) {
  const all = { ...sold.features, ...sold.limits };
  const more = (value) => (isAddon && typeof value === "number" ? " more" : "");
  const lines = Object.keys(all).filter((name) => name !== sold.quantity && featureWords(name, all[name]))
    .map((name) => featureWords(name, all[name]) + more(all[name]));
  if (!sold.quantity) return lines;
  const goods = joined(subject(sold.quantity).list);
  const words = sold.per === 1 ? `As many ${goods} as you buy` : `${sold.per.toLocaleString()} ${isAddon ? "more " : ""}${goods} with each package`;
  return [words, ...lines];
}

/** "month", "year", "3 months". */
export function intervalWords(price) {
  const count = price.interval_count ?? 1;
  return count === 1 ? price.interval : `${count} ${price.interval}s`;
}

/** "per user and month", "per month", "every 3 months". */
export function perWords(price, sold = null) {
  const count = price.interval_count ?? 1;
  const each = sold?.quantity ? `per ${sold.per === 1 ? "" : `${sold.per} `}${sold.per === 1 ? oneOf(sold.quantity) :
    joined(subject(sold.quantity).list)}` : "";
  if (count === 1)
    return each ? `${each} and ${price.interval}` : `per ${price.interval}`;
  return `${each}${each ? ", " : ""}every ${count} ${price.interval}s`;
}

/** The key by which prices of plans and add-ons belong together. */
export function priceKey(price) {
  return `${price.currency} ${price.interval_count ?? 1} ${price.interval}`;
}

/** The price of one use, which may be a part of the smallest coin: "0.05" usd is $0.0005. */
export function useMoney(minor, currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency: currency.toUpperCase(), maximumFractionDigits: 14 });
  const { minimumFractionDigits: digits } = format.resolvedOptions();
  return format.format(Number(`${minor}e-${digits}`));
}
