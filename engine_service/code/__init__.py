"""Authors' code: what it may say and return, and who runs it, whichever language it is in."""
