"""The steps of a conversation, one file each, named by their verbs; graph.py puts them in order."""
