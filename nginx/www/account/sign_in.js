// sign_in.js: the form for an API key, and how to get in without one.
import { signIn, signOut } from "/shared/api.js";
import { busy, errorBox, fill, h, keyField, values } from "/shared/ui.js";
import { supportLink } from "/shared/site.js";

/** Signs in with a customer's key; an operator's key opens no account. */
async function open(apiKey) {
  try {
    const { caller } = await signIn({ api_key: apiKey });
    if (caller.customer_id) return caller;
  } catch (fault) {
    if (fault.status === 401) fault.message = "This key is not known, or it was revoked.";
    throw fault;
  }
  await signOut(false);
  throw new Error("This is an operator's key. Operators sign in to the console.");
}

/** The form; `done` gets the caller. */
export function signInForm(brand, done) {
  const problem = h("div");
  const button = h("button", { class: "primary" }, "Sign in");
  const form = h("form", { class: "card narrow form" }, h("h2", {}, "Sign in"),
    keyField("customer", { label: "API key", help: "It begins with cust_ and was shown when it was made." }),
    problem, h("div", { class: "actions" }, button),
    h("p", { class: "muted" }, "No key at hand? ", supportLink(brand, "Ask us for a link", "A link to my account") ?? "Ask us for a link",
      " that signs you in once.", brand.sign_up && [" New here? ", h("a", { href: "/pricing/" }, "See the plans"), "."]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fill(problem);
    busy(button, async () => done(await open(values(form).api_key ?? "")), (fault) => {
      fill(problem, errorBox(fault));
      form.elements.api_key.focus();
    });
  });
  return form;
}
