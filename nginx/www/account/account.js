// account.js: the customer's page: signs in, then shows each part as its answers arrive.
import { onSessionEnd, signIn, signOut, takeLink } from "/shared/api.js";
import { busy, card, errorBox, fill, h, notice, part } from "/shared/ui.js";
import { currentCaller, dress, signedIn } from "/shared/site.js";
import { showInstallations } from "/account/installations.js";
import { showInvoices } from "/account/invoices.js";
import { showKeys } from "/account/keys.js";
import { showLicense } from "/account/license.js";
import { showSettings } from "/account/settings.js";
import { signInForm } from "/account/sign_in.js";
import { showState } from "/account/state.js";
import { showUsage } from "/account/usage.js";

const at = (id) => document.getElementById(id);

// The parts of the page, in order. A key without the scope does not see the part.
const PARTS = [
  { title: "Your plan", scope: "billing", show: showState },
  { title: "Licence", scope: "license", show: showLicense },
  { title: "Installations", scope: "usage", show: showInstallations },
  { title: "Usage", scope: "usage", show: showUsage },
  { title: "Invoices", scope: "billing", show: showInvoices },
  { title: "Keys", scope: "billing", show: showKeys },
  { title: "Contact and sign-in", scope: "billing", show: showSettings },
];

async function showAccount(caller) {
  await dress("Your account");
  const account = { id: caller.customer_id, caller, leave };
  const mine = PARTS.filter(({ scope }) => caller.scopes.includes(scope));
  signedIn.set(true);
  at("sign-out").hidden = false;
  at("title").textContent = caller.name && !caller.scopes.includes("billing") ? caller.name : "Your account";
  fill(at("view"), mine.map(({ title, show }) => card(title, part((again) => show(account, again)))));
}

async function showSignIn(fault) {
  const brand = await dress("Sign in");
  signedIn.set(false);
  at("sign-out").hidden = true;
  at("title").textContent = "Your account";
  fill(at("view"), fault && h("div", { class: "narrow" }, errorBox(fault)), signInForm(brand, async (caller) => {
    await showAccount(caller);
    at("main").focus();
  }));
}

/** Back to the form, when this session is over. */
async function leave(text) {
  await showSignIn();
  notice(text);
}

/** Offers the session of a one-time link, else shows the one that is open. */
async function begin() {
  const link = takeLink();
  if (!link) {
    const caller = await currentCaller();
    await (caller ? showAccount(caller) : showSignIn());
    return;
  }
  await showLink(link);
}

// A link is used by a click alone: programs that look through mail load pages, and another site's link
// replaces no session unseen.
async function showLink(link) {
  const open = await currentCaller();
  const button = h("button", { class: "primary" }, "Sign in");
  await dress("Sign in");
  at("title").textContent = "Your account";
  fill(at("view"), h("div", { class: "card narrow" }, h("h2", {}, "Sign in with your link"),
    h("p", {}, "This link signs you in once."),
    open && h("p", {}, "You are signed in already. The link's session takes the place of this one."),
    h("div", { class: "actions" }, button)));
  button.addEventListener("click", () => busy(button, async () => {
    const { caller } = await signIn({ link });
    if (!caller.customer_id) location.replace("/console/");
    else await showAccount(caller);
  }, showSignIn));
}

onSessionEnd(() => leave("Your session has ended. Please sign in again."));
at("sign-out").addEventListener("click", () => busy(at("sign-out"), async () => {
  await signOut(false);
  await leave("You are signed out.");
}));
try {
  await begin();
} catch (fault) {
  fill(at("view"), errorBox(fault, () => location.reload()));
}
at("view").setAttribute("aria-busy", "false");
