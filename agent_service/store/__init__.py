"""All of the agent's SQL, one file per noun; every function works inside a caller's transaction."""
