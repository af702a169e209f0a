"""The kinds in which one node of a workflow is attached to another; light, for the command line."""

ATTACHMENTS = ("model", "tool", "memory", "parser")
"""Inputs by which a node takes others as its own: no items flow there, and the others never run by
themselves. No node type gives an input of items one of these names."""
