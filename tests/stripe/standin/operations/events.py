"""Operations on the event log and on webhook endpoints."""

import fnmatch

from .. import model
from . import lists
from ..errors import invalid
from ..parameters import merge_metadata


def retrieve(call):
    """GET /v1/events/{id}."""
    return call.state.events.need(call.id)


def index(call):
    """GET /v1/events: the last 30 days. `delivery_success=false` are those that an endpoint has
    not got, whether it may still get them or not."""
    params = call.params
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of type and types.", "types")
    if len(params.get("types", [])) > 20:
        raise invalid("Up to 20 types are allowed.", "types")
    patterns = params.get("types") or ([params["type"]] if params.get("type") else ["*"])
    success = params.get("delivery_success")

    def wanted(event):
        if not any(fnmatch.fnmatchcase(event.type, pattern) for pattern in patterns):
            return False
        return success is None or success == all(
            delivery == "delivered" for delivery in event.deliveries.values())
    call.state.forget()
    return lists.page([event for event in call.state.events.newest()
                       if call.state.listed(event) and wanted(event)], params)


def create_endpoint(call):
    """POST /v1/webhook_endpoints: the only answer that has the secret."""
    state, params = call.state, call.params
    if not params["url"].startswith(("https://", "http://")):
        raise invalid("Invalid URL: must be an absolute http or https URL.", "url", "url_invalid")
    if params.get("connect"):
        raise invalid("The stand-in has no connected accounts.", "connect")
    endpoint = model.Endpoint(
        state.new_id("we_1"), state.now(), url=params["url"],
        enabled_events=params["enabled_events"], secrets=[state.new_id("whsec_", 32)],
        api_version=params.get("api_version"), description=params.get("description"),
        metadata=merge_metadata({}, params.get("metadata") or {}))
    state.endpoints.add(endpoint)
    answer = model.Endpoint(**{**vars(endpoint), "shown": True})
    return answer


def retrieve_endpoint(call):
    """GET /v1/webhook_endpoints/{id}."""
    return call.state.endpoints.need(call.id)


def list_endpoints(call):
    """GET /v1/webhook_endpoints."""
    return lists.page(call.state.endpoints.newest(), call.params)


def update_endpoint(call):
    """POST /v1/webhook_endpoints/{id}. Its version stays what it was."""
    state, params = call.state, call.params
    endpoint = state.endpoints.need(call.id)
    for name in ("url", "enabled_events", "description"):
        if name in params:
            setattr(endpoint, name, params[name])
    if "disabled" in params:
        endpoint.status = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        endpoint.metadata = merge_metadata(endpoint.metadata, params["metadata"])
    return endpoint


def delete_endpoint(call):
    """DELETE /v1/webhook_endpoints/{id}."""
    endpoint = call.state.endpoints.need(call.id)
    del call.state.endpoints[endpoint.id]
    return model.Deleted(endpoint.id, "webhook_endpoint")


def listens(endpoint, type):
    """Whether an endpoint gets events of a type."""
    return endpoint.status == "enabled" and (
        "*" in endpoint.enabled_events or type in endpoint.enabled_events)
