"""Orders: multi-tenant, idempotent, nothing lost.

A draft is confirmed with its total and closed. Every order belongs to one tenant and to others does not exist. Creating
takes an Idempotency-Key, confirming an If-Match, and each change commits with its event.
"""
