"""Who writes: `offline` by rules over the catalogue, `llm` by asking a language model."""
