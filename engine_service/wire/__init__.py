"""Between the engine's own values and the messages of its contract, by resource."""
