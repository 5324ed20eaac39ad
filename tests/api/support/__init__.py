"""What the black-box tests share: a private stack, a client that checks every answer against the
OpenAPI document, raw TLS exchanges, and generators of requests."""
