// customers.js: the list of customers, searched and filtered.

import { get, pages } from "/shared/api.js";
import { badge, field, h, pagedTable, part, time, values } from "/shared/ui.js";

const STATUSES = ["trialing", "active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "paused", "none"];

const choices = (names, any) => [["", any], ...names.map((name) => [name, name.replaceAll("_", " ")])];

export async function show({ query }) {
  const { plans } = await get("/api/plans");
  const place = h("div");
  const form = h("form", { class: "filters", role: "search" },
    field({ name: "q", label: "Search", type: "search", value: query.get("q") || "", help: "Start of the e-mail address or company", autocomplete: "off" }),
    field({ name: "status", label: "Status", options: choices(STATUSES, "Any"), value: query.get("status") || "" }),
    field({ name: "plan", label: "Plan", options: [["", "Any"], ...plans.map((plan) => [plan.plan, plan.name])], value: query.get("plan") || "" }),
    h("button", { type: "submit" }, "Search"));
  const list = () => part(() => pagedTable({
    caption: "Customers, newest first",
    empty: "No customer matches.",
    columns: [
      { name: "Customer", head: true, show: (row) => h("a", { href: `#/customer/${row.customer_id}` }, row.company_name || row.email || row.customer_id) },
      { name: "E-mail", show: (row) => row.email },
      { name: "Plan", show: (row) => row.plan },
      { name: "Status", show: (row) => (row.status ? badge(row.status) : "–") },
      { name: "Since", show: (row) => time(row.created_at, { day: true }) },
    ],
  }, pages("/api/customers", { ...values(form), limit: 50 }, "customers")), "Loading customers");
  const search = () => {
    place.replaceChildren(list());
    const given = new URLSearchParams(values(form));
    history.replaceState(null, "", `#/customers${given.size ? `?${given}` : ""}`);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && search());
  place.replaceChildren(list());
  return [h("header", {}, h("h1", {}, "Customers")), h("div", { class: "card stack" }, form, place)];
}
