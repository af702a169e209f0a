"""One file per noun: what bodies look like on top, the operations below."""
