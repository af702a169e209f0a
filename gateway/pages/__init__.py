"""Pages for people: rendered here, without scripts unless a page says so, escaped always."""
