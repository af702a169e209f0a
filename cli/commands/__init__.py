"""The commands that talk to a mesh over REST; one module per noun."""
