"""Configs: applications and their configurations, which a fleet of processes reads at its start and then watches.

Raw SQL through psycopg2 in threads, and migrations that are SQL files. What else differs from the other services:
validation answers 400, ids are ULIDs, a resource's tag is a hash of it, and a read can wait for the next change.
"""
