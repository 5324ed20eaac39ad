// license.js: the licence to download, by itself or with all that an installation without a network needs.
import { get } from "/shared/api.js";
import { busy, download, facts, h, notice, time } from "/shared/ui.js";
import { valueWords } from "/shared/words.js";

const BUNDLE_FORMAT = "global-billing-license-1";

/** The claims of a token. Nothing is verified here: the installation does that. */
function claimsOf(token) {
  const binary = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0))));
}

/** The file that `billing-agent import` reads. */
async function bundleOf(license) {
  const [keys, { revocations }] = await Promise.all([get("/.well-known/jwks.json"), get("/api/licenses/revocations")]);
  return JSON.stringify({ format: BUNDLE_FORMAT, license, keys: JSON.stringify(keys), revocations });
}

/** A button that makes a file. */
function fileButton(label, kind, name, type, make) {
  const button = h("button", { type: "button", class: kind }, label);
  button.addEventListener("click", () => busy(button, async () => {
    download(name, await make(), type);
    notice(`${name} is downloaded.`);
  }));
  return button;
}

export async function showLicense(account) {
  const { license } = await get(`/api/licenses/${account.id}`);
  const claims = claimsOf(license);
  const at = (seconds) => time(new Date(seconds * 1000).toISOString());
  const file = `license-${account.id}`;
  return h("div", {}, h("p", {}, "Installations with a network fetch their licence by themselves, with a key from below. ",
    "For the others, download it."),
  facts([["Made out to", claims.customerName], ["Plan", claims.plan], ["Issued", at(claims.iat)], ["Ends", at(claims.exp)],
    claims.features.maxDevices !== undefined && ["Devices", valueWords("maxDevices", claims.features.maxDevices)]]),
  h("div", { class: "actions" },
    fileButton("Download the licence", "primary", `${file}.jwt`, "application/jwt", () => license),
    fileButton("Download the offline bundle", null, `${file}.json`, "application/json", () => bundleOf(license))),
  h("p", { class: "muted" }, "The bundle adds the public keys and the list of revoked licences; ",
    h("code", {}, "billing-agent import"), " reads it."));
}
