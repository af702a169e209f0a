"""The front door: REST and SSE outside, typed gRPC inside. It knows no rules of its own."""
