"""All SQL of the engine, one file per noun; what comes in is a connection inside a transaction."""
