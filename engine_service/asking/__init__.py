"""Asking people: what makes an answer count, the links that ask, and the messages they are in."""
