"""The heart of the engine, pure: what a definition means, where a run stands, and what is next.

`decide.py` is the place to begin. Nothing here waits, asks the clock or knows a database.
"""
