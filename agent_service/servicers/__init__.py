"""The agent's gRPC services, one file per noun; a method is a use case."""
