"""Where files are: the object store below, how tenants and runs see it, and its upkeep."""
