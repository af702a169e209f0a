"""Trying a definition out: a run to its end that touches nothing."""
