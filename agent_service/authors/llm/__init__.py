"""The author that asks a language model: one prompt and one JSON Schema for each thing it writes."""
