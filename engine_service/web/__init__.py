"""HTTP in both directions: what may be called and how, what came back, and who is calling."""
