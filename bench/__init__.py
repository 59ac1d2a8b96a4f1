"""What Mainstay's performance figures are made with. See README.md."""
