"""What Mainstay is measured against: the same pets, on the same tables, written in other ways."""
