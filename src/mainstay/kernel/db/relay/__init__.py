"""The relay: takes the outbox's events to the sinks, in order, at least once (docs/adr/0014-relay.md)."""
