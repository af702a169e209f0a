"""The author: talks with a person and writes a workflow."""
