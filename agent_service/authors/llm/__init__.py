"""The author that asks a language model: a prompt and a JSON Schema for each thing it writes."""
