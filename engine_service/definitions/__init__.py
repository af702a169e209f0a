"""Definitions before they run: checked, made ready, their secrets hidden, their needs known."""
