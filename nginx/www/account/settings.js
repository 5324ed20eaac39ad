// settings.js: the customer's name and address, and the browsers that are signed in.
import { address, get, patch, signOut } from "/shared/api.js";
import { busy, dialog, errorBox, field, fill, h, notice, showFaults, time, values } from "/shared/ui.js";

function contactForm(account, customer, again) {
  const problem = h("div");
  const button = h("button", { class: "primary" }, "Save");
  const form = h("form", { class: "form inline" },
    field({ name: "company_name", label: "Company", value: customer.company_name ?? "", maxlength: 200, autocomplete: "organization" }),
    field({ name: "email", label: "E-mail address", type: "email", value: customer.email, required: true, maxlength: 254, autocomplete: "email",
      help: customer.pending_email && `${customer.pending_email} takes its place once we have confirmed it.` }),
    field({ name: "notices", label: "Send notices by e-mail: ends of a trial or licence, failed payments, use near a limit", type: "checkbox",
      value: customer.notices }),
    problem, h("div", {}, button));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fill(problem);
    const { email, company_name: company = null, notices } = values(form);
    busy(button, async () => {
      await patch(address("/api/customers", account.id), { company_name: company, notices, ...(email !== customer.email && { email }) });
      notice("Saved.");
      await again();
    }, (fault) => showFaults(form, fault) || fill(problem, errorBox(fault)));
  });
  return form;
}

async function leaveEverywhere(account) {
  const done = await dialog({
    title: "Sign out everywhere?",
    says: ["All browsers that are signed in like this one, this one too, must sign in again."],
    label: "Sign out",
    act: () => signOut(true),
  });
  if (done) await account.leave("You are signed out everywhere.");
}

function sessionWords(list) {
  const here = list.find((one) => one.current);
  const others = list.length - (here ? 1 : 0);
  return [here && ["Signed in since ", time(here.created_at), ", until ", time(here.expires_at), " at the latest. "],
    others === 0 ? "No other browser is signed in." : `${others} other ${others === 1 ? "browser is" : "browsers are"} signed in.`];
}

export async function showSettings(account, again) {
  const [{ customer }, { sessions }] = await Promise.all([get(address("/api/customers", account.id)), get("/api/sessions")]);
  return h("div", { class: "stack" }, contactForm(account, customer, again), h("p", {}, sessionWords(sessions)),
    h("div", {}, h("button", { type: "button", onclick: () => leaveEverywhere(account) }, "Sign out everywhere")));
}
