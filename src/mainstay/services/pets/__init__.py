"""Pets: the model resource. The smallest service that shows the whole pattern, and the one to copy for the next.

A REST resource with validation, optimistic concurrency (ETag and If-Match), idempotent creation, offset pages, events,
and two storages (PostgreSQL, memory) behind one repository.
"""
