"""What the agent knows: passages on nodes, practices and examples, and the search over them."""
