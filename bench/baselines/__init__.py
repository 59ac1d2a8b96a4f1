"""What Mainstay is measured against: the same calls, on the same tables, written in other ways."""
