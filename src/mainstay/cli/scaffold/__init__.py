"""What `mainstay new service` writes into a checkout, and `mainstay remove service` takes out of it again."""
