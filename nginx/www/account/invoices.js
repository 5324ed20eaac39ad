// invoices.js: the invoices, newest first, with Stripe's page and file of each.
import { address, pages } from "/shared/api.js";
import { badge, h, money, pagedTable, time } from "/shared/ui.js";

const STATES = { paid: "paid", open: "to be paid", draft: "in preparation", void: "void", uncollectible: "not collected" };
const KINDS = { paid: "good", open: "warn", uncollectible: "bad" };

/** A link to Stripe. */
function outside(href, label, invoice) {
  return href && h("a", { href, target: "_blank", rel: "noreferrer", "aria-label": `${label} ${invoice.number ?? invoice.id}` }, label);
}

export function showInvoices(account) {
  return pagedTable({
    caption: "Invoices, newest first", hideCaption: true, empty: "None yet.",
    columns: [
      { name: "Number", head: true, show: (row) => row.number ?? row.id },
      { name: "Date", show: (row) => time(row.created_at, { day: true }) },
      { name: "State", show: (row) => badge(STATES[row.status] ?? row.status, KINDS[row.status]) },
      { name: "Amount", number: true, show: (row) => money(row.amount_due, row.currency) },
      { name: "Open", show: (row) => h("span", { class: "row" }, outside(row.hosted_invoice_url, row.status === "open" ? "Pay" : "Show", row),
        outside(row.invoice_pdf, "PDF", row)) },
    ],
  }, pages(address("/api/subscriptions", account.id, "invoices"), { limit: 12 }, "invoices"));
}
