"""What else than HTTP is spoken with the world: mail, databases, stores of keys."""
