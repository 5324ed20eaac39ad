// main.js: signs in, shows the bar of pages, and opens the page that the address names behind "#/".

import { currentSession, get, onSessionEnd, signIn, signOut, takeLink } from "/shared/api.js";
import { busy, errorBox, fill, h, keyField, notice, values } from "/shared/ui.js";

// A page's module is fetched when it is opened first; its show(context) returns what the page has.
const PAGES = [
  { path: "", name: "Overview", load: () => import("./overview.js") },
  { path: "customers", name: "Customers", load: () => import("./customers.js") },
  { path: "customer", load: () => import("./customer.js"), under: "customers" },
  { path: "revenue", name: "Revenue", load: () => import("./revenue.js") },
  { path: "movements", load: () => import("./movements.js"), under: "revenue" },
  { path: "trials", name: "Trials", load: () => import("./trials.js") },
  { path: "limits", name: "Limits", load: () => import("./limits.js") },
  { path: "renewals", name: "Renewals", load: () => import("./renewals.js") },
  { path: "webhooks", name: "Webhooks", load: () => import("./webhooks.js") },
  { path: "stripe", name: "Stripe", load: () => import("./stripe.js") },
  { path: "audit", name: "Audit trail", load: () => import("./audit.js") },
  { path: "access", name: "Operators", load: () => import("./access.js") },
  { path: "health", name: "Health", load: () => import("./health.js") },
];

let caller = null;
let main = null;
let opened = 0;

/** The parts of the address behind "#/"; a badly escaped one stays as it is. */
const here = () => location.hash.replace(/^#\/?/, "").split("?")[0].split("/").filter(Boolean).map((text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
});

/** Opens the page of the address. Of two that load, the later one is shown. */
async function open() {
  const turn = ++opened;
  const [path = "", ...parts] = here();
  const page = PAGES.find((one) => one.path === path);
  const query = new URLSearchParams(location.hash.split("?")[1] || "");
  for (const link of document.querySelectorAll(".side nav a")) {
    const current = link.dataset.path === (page?.under ?? path);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector(".side")?.classList.remove("open");
  document.querySelector(".menu")?.setAttribute("aria-expanded", "false");
  main.setAttribute("aria-busy", "true");
  let made;
  try {
    if (!page) made = [h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "To the overview"))];
    else made = await (await page.load()).show({ caller, mayChange: caller.role === "owner", parts, query, reload: open });
  } catch (fault) {
    made = [h("h1", {}, page?.name ?? "Billing console"), errorBox(fault, open)];
  }
  if (turn !== opened || caller === null) return;
  fill(main, h("div", { class: "page" }, made));
  main.removeAttribute("aria-busy");
  const title = main.querySelector("h1");
  document.title = `${title ? title.textContent : "Console"} – Billing console`;
}

const changed = () => {
  open();
  main?.focus({ preventScroll: true });
  scrollTo(0, 0);
};

/** The vendor's name and logo, where brand.json has them. */
async function dress() {
  try {
    const brand = await get("/api/brand", { anonymous: true });
    for (const place of document.querySelectorAll(".brand span")) place.textContent = brand.name;
    for (const image of document.querySelectorAll(".brand img")) image.src = brand.logo;
  } catch {
    // The console works without.
  }
}

function showFrame(session) {
  caller = session.caller;
  main = h("main", { id: "main", tabindex: "-1" });
  const menu = h("button", { type: "button", class: "menu", "aria-expanded": "false", "aria-controls": "pages" }, "Menu");
  const leave = h("button", { type: "button" }, "Sign out");
  leave.addEventListener("click", () => busy(leave, async () => {
    await signOut(false);
    showSignIn("You are signed out.", "good");
  }));
  const side = h("header", { class: "side" },
    h("div", { class: "top" }, h("a", { class: "brand", href: "#/" }, h("img", { src: "/shared/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, "Billing")), menu),
    h("nav", { id: "pages", "aria-label": "Pages" }, PAGES.filter((page) => page.name).map((page) =>
      h("a", { href: `#/${page.path}`, dataset: { path: page.path } }, page.name))),
    h("div", { class: "who small" },
      h("span", {}, caller.name || "Operator", " ", h("span", { class: "muted" }, `(${caller.role})`)),
      h("div", { class: "row" }, leave)));
  menu.addEventListener("click", () => menu.setAttribute("aria-expanded", String(side.classList.toggle("open"))));
  fill(document.body,
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "To the content"),
    h("div", { class: "frame" }, side, main));
  dress();
  open();
}

/** Takes an operator in; a customer's key belongs to the account page. */
function enter(session) {
  if (session.caller.role !== "customer") return showFrame(session);
  return showSignIn(h("span", {}, "This is a customer's key. ", h("a", { href: "/account/" }, "To the account page")), "warn");
}

/** A page before the console, in one card. */
function showOutside(...parts) {
  fill(document.body, h("main", { class: "sign-in" }, h("div", { class: "card stack" },
    h("div", { class: "brand" }, h("img", { src: "/shared/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, "Billing")), parts)));
  dress();
}

/** A link is used by a click alone: programs that look through mail and chats load pages. */
async function showLink(link) {
  const open = await currentSession();
  caller = null;
  const go = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h("form", { class: "form" }, h("p", {}, "This link signs you in once."),
    open && h("p", {}, "You are signed in already. The link's session takes the place of this one."), go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(go, async () => enter(await signIn({ link })), (fault) => (fault.status === 401 ? showSignIn(fault.message) : showOutside(errorBox(fault, () => start(link)))));
  });
  document.title = "Sign in – Billing console";
  showOutside(h("h1", {}, "Sign in with your link"), form);
  go.focus();
}

function showSignIn(message, kind = "warn") {
  caller = null;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  const place = h("div", { class: "stack", "aria-live": "polite" }, message ? h("p", { class: `message ${kind}` }, message) : null);
  const go = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h("form", { class: "form", novalidate: true },
    keyField("operator", { label: "Operator's key", help: "It starts with gba_ and is sent once; the browser keeps a session of at most 12 hours." }),
    place, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = values(form);
    if (!given.api_key) {
      fill(place, h("p", { class: "message bad", role: "alert" }, "Enter a key first."));
      form.elements.api_key.focus();
      return;
    }
    busy(go, async () => enter(await signIn(given)), (fault) => fill(place, errorBox(fault)));
  });
  document.title = "Sign in – Billing console";
  showOutside(h("h1", {}, "Sign in to the console"), form,
    h("p", { class: "muted small" }, "Without a key at hand, ", h("code", {}, "billingctl console link"), " prints a link that signs in once."));
  form.elements.api_key.focus();
}

async function start(link = takeLink()) {
  try {
    if (link) return await showLink(link);
    const session = await currentSession();
    return session ? enter(session) : showSignIn();
  } catch (fault) {
    return showOutside(h("h1", {}, "Billing console"), errorBox(fault, () => start(link)));
  }
}

onSessionEnd(() => {
  if (caller !== null) showSignIn("Your session has ended. Sign in again to go on where you were.");
});
addEventListener("hashchange", () => (location.hash.startsWith("#link=") ? start() : caller !== null && changed()));
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "ApiError" || event.reason?.requestId) notice(event.reason.message, "bad");
});
start();
