// ui.js: elements, tables, forms, dialogs, dates and money. Data only ever becomes text, never markup.

// A browser reads "/\host" and "/<tab>/host" as "//host".
const PLACES = /^(https?:\/\/|mailto:|\/(?![/\\\s])|#|\.\/)/i;

/** An element: h("a", { href, class, onclick, dataset: {...} }, child, ...). Children are nodes, texts, or lists of them;
 * null and false are left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "dataset") Object.assign(element.dataset, value);
    else if (key === "value") element.value = value;
    else if (key === "href") {
      // An address that came from elsewhere may be "javascript:...".
      if (PLACES.test(value)) element.setAttribute("href", value);
    } else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

const nodes = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Replaces what the element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

// Words, dates, numbers, money.

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dateUtc = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const monthUtc = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric", timeZone: "UTC" });
const counts = new Intl.NumberFormat();
const spans = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** A time in the viewer's zone; the UTC time is its title. */
export function time(iso, { day = false, none = "–" } = {}) {
  if (!iso) return h("span", { class: "muted" }, none);
  const at = new Date(iso);
  const title = `${iso.replace("T", " ").replace(/\.\d+Z$/, "Z").replace("Z", "")} UTC`;
  return h("time", { datetime: iso, title }, (day ? dateOnly : dateTime).format(at));
}

/** "in 3 days", "2 hours ago"; the whole time is its title. */
export function ago(iso, { none = "never" } = {}) {
  if (!iso) return h("span", { class: "muted" }, none);
  const seconds = (new Date(iso) - Date.now()) / 1000;
  const unit = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, size]) => Math.abs(seconds) >= size);
  const words = unit ? spans.format(Math.round(seconds / unit[1]), unit[0]) : "just now";
  const element = time(iso);
  element.title = `${element.textContent} · ${element.title}`;
  element.textContent = words;
  return element;
}

/** A day of UTC, "2026-11-29". */
export const day = (date) => dateUtc.format(new Date(`${date}T00:00:00Z`));
/** A month of UTC, "2026-11". */
export const month = (text) => monthUtc.format(new Date(`${text.slice(0, 7)}-01T00:00:00Z`));
export const number = (value) => (value === null || value === undefined ? "–" : counts.format(value));

// Stripe counts these in hundredths, though they have no smaller coin.
const IN_HUNDREDTHS = ["ISK", "UGX"];

export const digitsOf = (currency) => (IN_HUNDREDTHS.includes(currency) ? 2 :
  new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits);

/** An amount as a decimal text or number, with the currency's digits. */
export function amount(value, currency) {
  if (value === null || value === undefined || !currency) return "–";
  return new Intl.NumberFormat(undefined, { style: "currency", currency: currency.toUpperCase() }).format(value);
}

/** An amount in the currency's smallest unit. */
export function money(minor, currency) {
  if (minor === null || minor === undefined || !currency) return "–";
  return amount(minor / 10 ** digitsOf(currency.toUpperCase()), currency);
}

/** "past_due" as "past due". */
export const words = (name) => (name ? String(name).replaceAll("_", " ") : "–");

const STATES = {
  active: "good", paid: "good", ready: "good", ok: "good", delivered: "good", done: "good", enabled: "good",
  trialing: "", open: "warn", past_due: "warn", degraded: "warn", pending: "warn", incomplete: "warn", expired: "warn",
  unpaid: "bad", parked: "bad", failed: "bad", revoked: "bad", unavailable: "bad", disabled: "bad",
};

/** The words with a capital letter, for heads. */
export const title = (name) => words(name).replace(/^./, (letter) => letter.toUpperCase());

/** A state as a coloured word; colour is never the only sign. */
export const badge = (state, kind = STATES[state] ?? "quiet") =>
  h("span", { class: `badge ${kind}` }, words(state) || "none");

/** How much of a limit is used. */
export function meter(used, most, label) {
  if (most === null || most === undefined) return h("span", {}, `${number(used)}, without a limit`);
  const share = most > 0 ? used / most : used > 0 ? 2 : 0;
  const bar = h("span");
  bar.style.width = `${Math.min(100, Math.round(share * 100))}%`;
  const kind = share > 1 ? "over" : share >= 0.8 ? "high" : "";
  return h("div", { class: "level", role: "img", "aria-label": `${label}: ${number(used)} of ${number(most)}` },
    h("span", {}, `${number(used)} of ${number(most)}`, kind === "over" ? " – over the limit" : ""),
    h("div", { class: `meter ${kind}` }, bar));
}

// Parts of a page.

/** A titled box. */
export const card = (title, ...children) =>
  h("section", { class: "card", "aria-label": title }, h("h2", {}, title), children);

/** An id in one line, which a narrow column shortens; its title is the whole. */
export const ident = (text) => h("code", { class: "ident", title: text }, text);

/** A row's customer by its id, as a link. */
export const customerLink = (row) => (row.customer_id ? h("a", { href: `#/customer/${row.customer_id}` }, ident(row.customer_id)) : "–");

/** Pairs of a name and a value: facts([["Plan", "starter"], ...]). */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value ?? "–")]));

/**
 * A table. A column is { name, show(row), number?, head?, wide? }. A narrow window shows each row as a card.
 * `caption` says what the table has, for eyes and screen readers.
 */
export function table({ caption, columns, rows, empty = "There is nothing here.", hideCaption = false }) {
  const body = h("tbody");
  const element = h("div", { class: "table", role: "region", "aria-label": caption, tabindex: "0" },
    h("table", { class: "cards" },
      h("caption", { class: hideCaption ? "hidden-text" : "" }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.number ? "number" : "" }, column.name)))),
      body));
  const none = h("p", { class: "empty" }, empty);
  const add = (more) => {
    body.append(...more.map((row) => h("tr", {}, columns.map((column) =>
      h(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: column.number ? "number" : column.wide ? "wide" : "", "data-label": column.name },
        h("span", {}, column.show(row) ?? "–"))))));
    none.hidden = body.childElementCount > 0;
    element.hidden = !none.hidden;
  };
  add(rows);
  return { element: h("div", {}, element, none), add };
}

/** A table that fetches further pages by a button. `list` is one of api.js's pages(). */
export async function pagedTable(options, list) {
  const shown = table({ ...options, rows: await list.next() });
  const more = h("button", { type: "button" }, "Show more");
  const bar = h("div", { class: "row no-print" }, more);
  bar.hidden = !list.more;
  more.addEventListener("click", () => busy(more, async () => {
    shown.add(await list.next());
    bar.hidden = !list.more;
  }));
  return h("div", { class: "stack" }, shown.element, bar);
}

/** An error in words with the request's id, and a button that tries again. */
export function errorBox(fault, again) {
  return h("div", { class: "message bad stack", role: "alert" },
    h("p", {}, fault.message),
    fault.details?.length ? h("ul", {}, fault.details.map((detail) => h("li", {}, `${detail.field} ${detail.message}`))) : null,
    fault.requestId ? h("p", { class: "small muted" }, "Request ", h("code", {}, fault.requestId)) : null,
    again ? h("div", { class: "row" }, h("button", { type: "button", onclick: again }, "Try again")) : null);
}

/** A message at the edge of the window, which screen readers say. Errors stay until they are closed. */
export function notice(text, kind = "good") {
  let region = document.querySelector(".notices");
  if (!region) {
    region = h("div", { class: "notices", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  const close = h("button", { type: "button", class: "plain", "aria-label": "Close the message", onclick: () => box.remove() }, "Close");
  const box = h("div", { class: `message ${kind} spread` }, h("span", {}, text), close);
  region.append(box);
  if (kind === "good") setTimeout(() => box.remove(), 8000);
}

/** Runs the work with the button marked as busy; a failure becomes a notice, unless `onfail` takes it. */
export async function busy(button, work, onfail) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (fault) {
    if (onfail) onfail(fault);
    else notice(fault.requestId ? `${fault.message} (request ${fault.requestId})` : fault.message, "bad");
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** A part of a page that loads: shows that it waits, then what `load` returns, or the error with "Try again". */
export function part(load, label = "Loading") {
  const place = h("div", { "aria-busy": "true" });
  const run = async () => {
    const waiting = setTimeout(() => fill(place, h("div", { class: "waiting", role: "status" }, `${label} …`)), 150);
    try {
      const made = await load(run);
      clearTimeout(waiting);
      fill(place, made);
    } catch (fault) {
      clearTimeout(waiting);
      if (fault.name !== "AbortError") fill(place, errorBox(fault, run));
    }
    place.removeAttribute("aria-busy");
  };
  place.reload = run;
  place.ready = run();
  return place;
}

// Forms and dialogs.

let fieldCount = 0;

/** One labelled control. `options` makes a list of choices: [value, label] pairs. */
export function field({ name, label, help, type = "text", value = "", options, required = false, ...attributes }) {
  const id = `field-${++fieldCount}`;
  const about = { id, name, required, "aria-describedby": help ? `${id}-help` : null, ...attributes };
  let control;
  if (options) {
    control = h("select", about, options.map(([key, text]) => h("option", { value: key }, text)));
    if (options.some(([key]) => key === value)) control.value = value;
  } else if (type === "textarea") control = h("textarea", { ...about, value });
  else control = h("input", { ...about, type, value: type === "checkbox" ? null : value });
  if (type === "checkbox") control.checked = Boolean(value);
  const fault = h("span", { class: "fault", id: `${id}-fault`, hidden: true });
  const parts = [h("label", { for: id }, label), control];
  if (type === "checkbox") parts.reverse();
  return h("div", { class: type === "checkbox" ? "field check" : "field", dataset: { field: name } }, parts,
    help ? h("span", { class: "help", id: `${id}-help` }, help) : null, fault);
}

/** The control for an API key. A password manager keeps the key under the given user. */
export const keyField = (user, options) => [
  h("input", { type: "text", autocomplete: "username", value: user, hidden: true, tabindex: "-1", "aria-hidden": "true" }),
  field({ name: "api_key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", autocapitalize: "off", ...options }),
];

/** The form's values by name; empty texts are left out, numbers are numbers. */
export function values(form) {
  const found = {};
  for (const control of form.elements) {
    if (!control.name) continue;
    if (control.type === "checkbox") found[control.name] = control.checked;
    else if (control.value.trim() !== "") found[control.name] = control.type === "number" ? Number(control.value) : control.value.trim();
  }
  return found;
}

/** Whether the field of an answer's detail, as "features.maxDevices", is that of the box: "features:maxDevices" or "features". */
const isAbout = (box, { field: name }) => [name, name.replace(".", ":"), name.split(/[.[]/)[0]].includes(box.dataset.field);

/** Shows the bad fields that an answer names; true when each stands beside its control. */
export function showFaults(form, fault) {
  const boxes = [...form.querySelectorAll(".field")];
  for (const box of boxes) {
    const bad = (fault?.details || []).find((detail) => isAbout(box, detail));
    const control = box.querySelector("input, select, textarea");
    const text = box.querySelector(".fault");
    text.hidden = !bad;
    text.textContent = bad ? `${bad.field} ${bad.message}` : "";
    if (bad) {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-errormessage", text.id);
      control.closest("details")?.setAttribute("open", "");
    } else {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-errormessage");
    }
  }
  const first = form.querySelector("[aria-invalid]");
  first?.focus();
  return Boolean(first) && fault.details.every((detail) => boxes.some((box) => isAbout(box, detail)));
}

/**
 * A dialog with a form. `says` are sentences about what will happen. `act(values)` does it: its result closes the dialog and
 * is the promise's value (undefined when it was closed otherwise); a failure is shown within. When `act` returns a node, the
 * node takes the place of the form, as a secret that is shown once does.
 */
export function dialog({ title, says = [], fields = [], label, danger = false, act, content }) {
  return new Promise((resolve) => {
    let result;
    const heading = h("h2", { id: `dialog-${++fieldCount}` }, title);
    const place = h("div", { class: "stack", "aria-live": "polite" });
    const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, label);
    const close = h("button", { type: "button", onclick: () => box.close() }, act ? "Cancel" : "Close");
    const form = h("form", { class: "form", novalidate: true },
      heading,
      says.length ? h("ul", { class: "says" }, says.map((sentence) => h("li", {}, sentence))) : null,
      content, fields, place,
      h("div", { class: "actions" }, close, act ? go : null));
    const box = h("dialog", { "aria-labelledby": heading.id }, form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!act) return;
      fill(place);
      busy(go, async () => {
        const made = await act(values(form), { place, form });
        if (made === false) return;
        result = made ?? true;
        if (made instanceof Node) {
          for (const part of [...form.children]) if (part !== heading && part !== place && !part.matches(".actions")) part.remove();
          go.remove();
          close.textContent = "Done";
          fill(place, made);
          close.focus();
        } else box.close();
      }, (fault) => {
        if (!showFaults(form, fault)) fill(place, errorBox(fault));
      });
    });
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
    (form.querySelector("input, select, textarea") || close).focus();
  });
}

/** A text that is shown once, with a button that copies it. */
export function secret(text, label) {
  const copy = h("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  });
  const id = `secret-${++fieldCount}`;
  return h("div", { class: "stack" },
    h("label", { for: id }, label),
    h("textarea", { id, readonly: true, class: "mono", value: text, onfocus: (event) => event.target.select() }),
    h("div", { class: "row" }, copy, h("span", { class: "muted small" }, "It is shown only now.")));
}

/** Offers a text as a file. */
export function download(name, text, type = "application/json") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { download: name });
  link.href = url;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
