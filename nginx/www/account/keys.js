// keys.js: the API keys of the customer: to make one, which is shown once, and to revoke one.
import { address, get, post, remove } from "/shared/api.js";
import { ago, dialog, field, h, notice, secret, table } from "/shared/ui.js";

const SCOPES = {
  license: "Fetch the licence",
  usage: "Report use, activate and release installations",
  billing: "See and change everything on this page",
};

async function revoke(account, key, again) {
  const own = key.key_id === account.caller.key_id;
  const done = await dialog({
    title: `Revoke ${key.name}?`,
    says: [own && "You are signed in with this key, and are signed out with it.", "Programs that use it are refused from then on.",
      "This cannot be undone."].filter(Boolean),
    label: "Revoke", danger: true,
    act: () => remove(address("/api/customers", account.id, "keys", key.key_id)),
  });
  if (!done) return;
  if (own) {
    await account.leave("The key is revoked, and you are signed out.");
    return;
  }
  notice(`${key.name} is revoked.`);
  await again();
}

async function make(account, again) {
  const mine = Object.keys(SCOPES).filter((scope) => account.caller.scopes.includes(scope));
  const made = await dialog({
    title: "Make a key",
    says: ["An installation fetches its licence and reports its use with it."],
    fields: [field({ name: "name", label: "Name", required: true, maxlength: 100, autocomplete: "off", help: "Where it is used: main site, for example." }),
      h("fieldset", {}, h("legend", {}, "It may"), mine.map((scope) =>
        field({ name: scope, label: SCOPES[scope], type: "checkbox", value: scope !== "billing" || mine.length === 1 })))],
    label: "Make the key",
    act: async (given) => {
      const scopes = mine.filter((scope) => given[scope]);
      const { api_key: key } = await post(address("/api/customers", account.id, "keys"), { name: given.name ?? "", scopes });
      return secret(key, `The key ${given.name}`);
    },
  });
  if (made) await again();
}

export async function showKeys(account, again) {
  const { keys } = await get(address("/api/customers", account.id, "keys"));
  const button = (key) => h("button", { type: "button", "aria-label": `Revoke ${key.name}`, onclick: () => revoke(account, key, again) }, "Revoke");
  return h("div", {}, table({
    caption: "Keys that are not revoked", hideCaption: true, empty: "None. An installation needs one to fetch its licence.",
    columns: [
      { name: "Name", head: true, show: (key) => key.name },
      { name: "Begins with", show: (key) => h("code", {}, `${key.prefix.slice(0, 9)}…${key.prefix.slice(-7)}`) },
      { name: "May", show: (key) => key.scopes.join(", ") },
      { name: "Last used", show: (key) => ago(key.last_used_at) },
      { name: "Action", show: button },
    ],
    rows: keys.filter((key) => !key.revoked_at),
  }).element, h("div", { class: "actions" }, h("button", { type: "button", onclick: () => make(account, again) }, "Make a key")));
}
