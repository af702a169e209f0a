"""OpenAI, and every server that speaks one of its wires: chat completions, responses, embeddings.

Each wire is one module here; `account.py` is what they share.
"""
