"""The command line: starts the mesh on one machine and talks REST to it."""
