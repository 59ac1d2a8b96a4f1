"""The services. None imports another: they meet by id, by token and by event."""
