// site.js: what the customers' pages share: the vendor's name, links and support, and who is signed in.
import { currentSession, get } from "/shared/api.js";
import { h } from "/shared/ui.js";

/** A link to the support address, or null without one. */
export function supportLink(brand, label, subject = "") {
  if (!brand.support) return null;
  const mail = !brand.support.startsWith("https://");
  const query = mail && subject ? `?subject=${encodeURIComponent(subject)}` : "";
  return h("a", { href: mail ? `mailto:${brand.support}${query}` : brand.support }, label ?? brand.support);
}

function footer(brand) {
  const links = [["Website", brand.website], ["Terms", brand.terms], ["Privacy", brand.privacy]]
    .filter(([, address]) => address)
    .map(([label, address]) => h("a", { href: address, rel: "noreferrer" }, label));
  return [h("span", {}, brand.name), ...links, supportLink(brand)].filter(Boolean);
}

/** Shows the vendor on the page, and returns what /api/brand says. */
export async function dress(title) {
  const brand = await get("/api/brand", { anonymous: true });
  document.title = `${title} – ${brand.name}`;
  for (const place of document.querySelectorAll("[data-brand=name]")) place.textContent = brand.name;
  for (const place of document.querySelectorAll("[data-brand=foot]")) place.replaceChildren(...footer(brand));
  return brand;
}

const SESSION_SECONDS = 12 * 3600;

/** Whether this browser has signed in lately. That is no secret: the session's own cookie is one that no script reads. */
export const signedIn = {
  get: () => document.cookie.split("; ").includes("signed-in=yes"),
  set: (yes) => { document.cookie = `signed-in=yes; path=/; secure; samesite=strict; max-age=${yes ? SESSION_SECONDS : 0}`; },
};

/** The customer of the session, or null. Without an earlier sign-in there is none to ask for. */
export async function currentCaller() {
  if (!signedIn.get()) return null;
  const session = await currentSession();
  if (!session) signedIn.set(false);
  return session?.caller.customer_id ? session.caller : null;
}
