"""gRPC as this mesh speaks it: who calls, for how long, and what an error looks like.

`server.RpcServer` serves, `client.connect` calls; `status` carries errors across; `call` holds what
came with the request at hand. Use cases see only `call.caller()`; the rest is interceptors.
"""
