"""Pages for a person: checkout, portal, invoice. Plain forms, no scripts. What was done is shown by
a page that can be reloaded and come back to without doing it again."""

import html
import time

from .operations import billing, cards, checkout, portal, subscriptions
from .shapes import checkout as shapes_checkout
from .errors import ApiError
from .look import page
from .wire import Answer

CARDS = (
    ("4242424242424242", "4242 4242 4242 4242", "The payment succeeds."),
    ("4000000000000002", "4000 0000 0000 0002", "The card is declined."),
    ("4000002500003155", "4000 0025 0000 3155", "The bank asks for authentication."),
    ("4000000000000341", "4000 0000 0000 0341", "The card can be stored, but every charge fails."),
)
FIRST = ' class="first"'
NEXT = {"active": "renews", "trialing": "first payment"}
REDIRECT_WAIT = 10


class Choice(Exception):
    """A form that cannot be acted on; the page says why."""


def redirect(url):
    """Sends the browser on."""
    return Answer(303, "", {"Location": url})


def respond(server, request):
    """Answers a browser."""
    parts = request.path.strip("/").split("/")
    if parts[0] == "invoice" and parts[2:] == ["pdf"]:
        parts.pop()  # there is none but the page, which can be printed
    handler = PAGES.get(parts[0]) if len(parts) == 2 else None
    if handler is None:
        return page("Not found", "<p>There is no such page.</p>", 404)
    form = request.form() if request.method == "POST" else {}
    return handler(server, parts[1], form)


def hidden(**values):
    """Hidden fields."""
    return "".join(f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
                   for name, value in values.items())


def button(action, label, first=False, **values):
    """A form of one button."""
    return (f'<form method="post">{hidden(action=action, **values)}'
            f'<button{FIRST if first else ""}>{html.escape(label)}</button></form>')


def table(caption, heads, rows):
    """A table with heads for screen readers; the rows are markup."""
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return f"<table><caption>{caption}</caption><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table>"


def card_choice(marked=CARDS[0][0]):
    """The choice of a test card."""
    rows = [f'<label class="card"><input type="radio" name="card" value="{number}"'
            f'{" checked" if number == marked else ""}><span>{shown}<small>{text}</small></span></label>'
            for number, shown, text in CARDS]
    return f'<fieldset><legend>Test card</legend>{"".join(rows)}</fieldset>'


def pay_page(server, id, form):
    """The page of a checkout session."""
    state = server.state
    with state.lock:
        server.tick()
        session = state.sessions.get(id)
        if session is None:
            return page("Not found", "<p>There is no such checkout session.</p>", 404)
        if session.status != "open":
            text = {"complete": "You have already paid.", "expired": "This link has expired."}
            return page("Checkout", f"<p>{text[session.status]}</p>")
        if form.get("action") == "cancel":
            return redirect(session.cancel_url or session.success_url)
        if form.get("action") == "pay":
            answer = pay_session(server, session, form)
        else:
            answer = page("Checkout", pay_form(state, session, ""))
    if isinstance(answer, Answer):
        return answer
    wait_for_delivery(server, answer)
    return redirect(checkout.return_url(session))


def pay_form(state, session, complaint):
    """The page: the plan, its price, and the form for the card."""
    rows = "".join(
        f"<tr><td>{html.escape(state.products[price.product].name)}</td><td>{quantity} ×</td>"
        f"<td>{amount_text(price)}</td></tr>" for price, quantity in session.lines)
    due = billing.money(shapes_checkout.session_amount(state, session), session.lines[0][0].currency)
    trial = "" if shapes_checkout.session_amount(state, session) else (
        "<p>Your trial is free; you pay when it ends.</p>")
    email = session.customer_email or ""
    if session.customer:
        email = state.customers[session.customer].email or ""
        who = f'<p class="note">For {html.escape(email)}</p>'
    else:
        who = (f'<p><label class="field">E-mail <input name="email" autocomplete="email" '
               f'value="{html.escape(email)}"></label></p>')
    return (f'<p class="bad" role="alert">{html.escape(complaint)}</p>' if complaint else "") + (
        f'{table("Your order", ("Goods", "Quantity", "Price"), rows)}<p class="due">Due today: {due}</p>{trial}'
        f'<form method="post">{who}{card_choice()}<div class="actions">'
        f'<button{FIRST} name="action" value="pay">Pay</button>'
        '<button name="action" value="cancel">Cancel</button></div></form>')


def amount_text(price):
    """A price for people."""
    every = price.interval if price.interval_count == 1 else (
        f"{price.interval_count} {price.interval}s")
    return f"{billing.money(float(price.unit_amount_decimal), price.currency)} / {every}"


def pay_session(server, session, form):
    """Pays with the chosen card. The event to wait for, or a page to go on with."""
    state = server.state
    behaviour = cards.NUMBERS.get(form.get("card", "").replace(" ", ""))
    if behaviour is None:
        return page("Checkout", pay_form(state, session, "Your card number is incorrect."))
    if behaviour == "authenticate" and form.get("authenticated") != "yes":
        if form.get("authenticated") == "no":
            return page("Checkout", pay_form(
                state, session, "We are unable to authenticate your payment method."))
        sent = {"card": form["card"], "email": form.get("email", "")}
        return page("3D Secure", "<p>Your bank asks: is that you?</p>"
                    + button("pay", "Complete", True, authenticated="yes", **sent)
                    + button("pay", "Fail", authenticated="no", **sent))
    try:
        checkout.complete(state, session, behaviour, form.get("email") or None)
    except ApiError as error:
        return page("Checkout", pay_form(state, session, error.error["message"]))
    server.tick()
    state.save()
    return next(event for event in reversed(state.events.values())
                if event.type == "checkout.session.completed")


def wait_for_delivery(server, event):
    """As Checkout does: holds the browser until the event is delivered, for 10 s at most."""
    deadline = time.monotonic() + REDIRECT_WAIT
    while time.monotonic() < deadline and not server.courier.held:
        with server.state.lock:
            if "pending" not in event.deliveries.values():
                return
        time.sleep(0.02)


def portal_page(server, id, form):
    """The customer portal."""
    state = server.state
    with state.lock:
        server.tick()
        session = state.portal_sessions.get(id)
        if session is None or portal.expired(state, session):
            return page("Billing", "<p>This link has expired.</p>", 404)
        complaint = ""
        if form:
            try:
                act(server, session, form)
            except (ApiError, Choice) as error:
                complaint = str(error)
            server.tick()
            state.save()
            if not complaint:
                return redirect("/portal/" + id)
        return page("Billing", portal_content(state, session, complaint))


def act(server, session, form):
    """Does what a button of the portal says."""
    state = server.state
    action = form.get("action")
    if action == "pay":
        pay_invoice(state, state.invoices.need(form.get("invoice")), form)
        return
    subscription = state.subscriptions.need(form.get("subscription"))
    if subscription.customer != session.customer:
        raise Choice("That is not your subscription.")
    end = {"cancel_at_period_end": True}
    if subscription.billing_mode == "flexible":
        end = {"cancel_at": subscription.period_end}
    params = {"cancel": end,
              "undo": {"cancel_at_period_end": False, "cancel_at": None}}.get(action)
    if action == "switch":
        params = {"items": [{"id": subscription.items[0].id, "price": form.get("price"),
                             "quantity": subscription.items[0].quantity}],
                  "proration_behavior": "always_invoice",
                  "payment_behavior": "error_if_incomplete"}
    if params is None:
        raise Choice("That is no choice.")
    subscriptions.update(Click(server, subscription.id, params))


class Click:
    """The call that an operation needs, for a request that comes from a page."""

    def __init__(self, server, id, params):
        self.server, self.state, self.id, self.params = server, server.state, id, params


def pay_invoice(state, invoice, form):
    """Pays an invoice with the chosen card, which stays the customer's."""
    behaviour = cards.NUMBERS.get(form.get("card", ""))
    if behaviour is None:
        raise Choice("Your card number is incorrect.")
    if behaviour == "refused":
        raise Choice("Your card was declined.")
    if invoice.status != "open":
        raise Choice(f"This invoice is {invoice.status}.")
    billing.card_from_page(state, state.customers[invoice.customer], behaviour)
    if not billing.pay(state, invoice, holder_present=True):
        raise Choice("The payment failed.")


def portal_content(state, session, complaint):
    """Subscriptions, invoices and what can be done with them."""
    parts = [f'<p class="bad" role="alert">{html.escape(complaint)}</p>'] if complaint else []
    for one in state.subscriptions.newest(session.customer):
        parts.append(subscription_content(state, one))
    rows = []
    for invoice in state.invoices.newest(session.customer):
        link = f'<a href="/invoice/{invoice.id}">{invoice.number}</a>'
        amount = billing.money(invoice.amount_due, invoice.currency)
        rows.append(f"<tr><td>{link}</td><td>{amount}</td><td>{invoice.status}</td></tr>")
    parts.append("<h2>Invoices</h2>" + table("Your invoices", ("Number", "Amount", "State"), "".join(rows)))
    for invoice in state.invoices.newest(session.customer):
        if invoice.status == "open":
            parts.append(f"<h2>Pay {invoice.number}</h2>{invoice_form(invoice)}")
    parts.append(f'<p class="actions"><a class="first" href="{html.escape(session.return_url)}">Return</a></p>')
    return "".join(parts)


def invoice_form(invoice):
    """The form that pays an invoice."""
    return (f'<form method="post">{hidden(invoice=invoice.id)}{card_choice()}'
            f'<button{FIRST} name="action" value="pay">Pay</button></form>')


def subscription_content(state, one):
    """A subscription and its buttons."""
    price = one.items[0].price
    name = html.escape(state.products[price.product].name)
    end = time.strftime("%d %B %Y", time.gmtime(one.period_end))
    text = f"<h2>{name}</h2><p>{amount_text(price)}, {one.status}"
    if one.ended_at is not None:
        return text + "</p>"
    if one.cancel_at:
        text += f", ends {time.strftime('%d %B %Y', time.gmtime(one.cancel_at))}</p>"
        text += button("undo", "Keep the subscription", subscription=one.id)
    else:
        text += f", {NEXT.get(one.status, 'period ends')} {end}</p>" + button(
            "cancel", "Cancel at the end of the period", subscription=one.id)
    switches = ""
    for other in state.prices.values():
        if other.active and other.recurring and not other.metered and other.id != price.id \
                and other.currency == price.currency:
            label = f"Switch to {state.products[other.product].name}, {amount_text(other)}"
            switches += button("switch", label, subscription=one.id, price=other.id)
    return text + (f"<details><summary>Change the plan</summary>{switches}</details>" if switches else "")


def invoice_page(server, id, form):
    """An invoice to read and, while it is open, to pay."""
    state = server.state
    with state.lock:
        server.tick()
        invoice = state.invoices.get(id)
        if invoice is None:
            return page("Not found", "<p>There is no such invoice.</p>", 404)
        complaint = ""
        if form.get("action") == "pay":
            try:
                pay_invoice(state, invoice, form)
            except Choice as error:
                complaint = f'<p class="bad" role="alert">{html.escape(str(error))}</p>'
            state.save()
            if not complaint:
                return redirect("/invoice/" + id)
        rows = "".join(f"<tr><td>{html.escape(line.description)}</td>"
                       f"<td>{billing.money(line.amount, invoice.currency)}</td></tr>"
                       for line in invoice.lines)
        due = billing.money(invoice.amount_due, invoice.currency)
        return page(f"Invoice {invoice.number}", complaint + table("What is billed", ("Goods", "Amount"), rows) +
                    f'<p class="due">Due: {due} ({invoice.status})</p>'
                    + (invoice_form(invoice) if invoice.status == "open" else ""))


PAGES = {"pay": pay_page, "portal": portal_page, "invoice": invoice_page}
