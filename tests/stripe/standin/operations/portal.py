"""Operations on the customer portal: its configurations and visits."""

from .. import model
from . import lists
from ..errors import ApiError, invalid, missing_object
from ..parameters import merge_metadata
from .subscriptions import customer_of

LIFETIME = 3600


def create_configuration(call):
    """POST /v1/billing_portal/configurations. The first is the default one."""
    state = call.state
    configuration = model.PortalConfiguration(
        state.new_id("bpc_1"), state.now(), is_default=not state.portal_configurations)
    assign(state, configuration, call.params)
    state.portal_configurations.add(configuration)
    state.emit("billing_portal.configuration.created", configuration)
    return configuration


def assign(state, configuration, params):
    """Takes over what was sent."""
    for name, features in (params.get("features") or {}).items():
        configuration.features[name] = {**configuration.features.get(name, {}),
                                        **(features or {})}
    configuration.business_profile.update(params.get("business_profile") or {})
    if "default_return_url" in params:
        configuration.default_return_url = params["default_return_url"]
    if "login_page" in params:
        configuration.login_page = params["login_page"]["enabled"]
    configuration.active = params.get("active", configuration.active)
    if "metadata" in params:
        configuration.metadata = merge_metadata(configuration.metadata, params["metadata"])
    configuration.updated = state.now()


def retrieve_configuration(call):
    """GET /v1/billing_portal/configurations/{id}."""
    return call.state.portal_configurations.need(call.id)


def update_configuration(call):
    """POST /v1/billing_portal/configurations/{id}."""
    configuration = call.state.portal_configurations.need(call.id)
    with call.state.changing(configuration, "billing_portal.configuration.updated"):
        assign(call.state, configuration, call.params)
    return configuration


def list_configurations(call):
    """GET /v1/billing_portal/configurations."""
    params = call.params
    default_configuration(call.state)
    found = [one for one in call.state.portal_configurations.newest()
             if params.get("active") in (None, one.active)
             and params.get("is_default") in (None, one.is_default)]
    return lists.page(found, params)


def create_session(call):
    """POST /v1/billing_portal/sessions."""
    state, params = call.state, call.params
    customer = customer_of(state, params)
    configuration = configuration_for(state, params)
    flow = params.get("flow_data")
    if flow and flow["type"].startswith("subscription_"):
        wanted = (flow.get(flow["type"]) or {}).get("subscription")
        param = f"flow_data[{flow['type']}][subscription]"
        subscription = state.subscriptions.need(wanted, param)
        if subscription.customer != customer.id:
            raise missing_object("subscription", wanted, param)
    session = model.PortalSession(
        state.new_id("bps_1"), state.now(), customer=customer.id,
        configuration=configuration.id, locale=params.get("locale"), flow=flow,
        return_url=params.get("return_url") or configuration.default_return_url)
    if session.return_url is None:
        raise invalid("You must provide a return_url, or set a default one.", "return_url",
                      "parameter_missing")
    session.url = f"{state.public_url}/portal/{session.id}"
    return state.portal_sessions.add(session)


def configuration_for(state, params):
    """The named configuration, or the default one."""
    if params.get("configuration"):
        return state.portal_configurations.need(params["configuration"], "configuration")
    configuration = default_configuration(state)
    if configuration is None:
        raise ApiError(400, "No configuration provided and your test mode default configuration "
                       "has not been created. Provide a configuration or create your default by "
                       "saving your customer portal settings in test mode.")
    return configuration


def default_configuration(state):
    """The default configuration, there as soon as its settings were saved; or None."""
    for configuration in state.portal_configurations.values():
        if configuration.is_default:
            return configuration
    if not state.settings["portal_configured"]:
        return None
    return state.portal_configurations.add(model.PortalConfiguration(
        state.new_id("bpc_1"), state.now(), is_default=True, updated=state.now()))


def expired(state, session):
    """Whether a visit is too old to go on."""
    return state.now() > session.created + LIFETIME
