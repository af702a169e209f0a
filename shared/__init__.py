"""The common ground: what two services use today, and nothing else. It knows no service."""
