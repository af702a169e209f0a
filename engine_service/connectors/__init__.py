"""Connectors: what the nodes share that speak to one vendor's HTTP API.

A connector is declared: a `Vendor` says where its API is, what proves who asks and how it says no;
each `Operation` says what may be written and which request that makes. `connector.py` does the
rest for all of them: sending, waiting as the vendor asks, following pages, naming what failed.
"""
