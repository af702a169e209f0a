"""V8 in worker processes with hard limits: the pool that keeps them, the worker itself."""
