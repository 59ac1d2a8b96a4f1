"""What every service stands on: errors, units of work, storage, HTTP, logs. Knows no service."""
