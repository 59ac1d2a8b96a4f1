"""The pure part: no SQL, no HTTP, no I/O."""
