"""Secrets at rest and in use: sealed, opened where a node runs, hidden from whatever it says."""
