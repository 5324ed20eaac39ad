"""Shared by the black-box tests: a private stack, a client that checks every answer against the
OpenAPI document, raw TLS exchanges, and generators of requests."""
