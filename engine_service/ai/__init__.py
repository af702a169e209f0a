"""What nodes that ask language models have in common: asking, repairing, tools, transcripts."""
