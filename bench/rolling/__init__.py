"""Every service is restarted under load, replica by replica, as a deployment does it.

`python -m bench.rolling` runs two gateways, two agents and two engines behind a small balancer,
lets people start runs, follow them, call webhooks and talk to the consultant, and restarts every
replica meanwhile. Nothing may fail but with a 503 UNAVAILABLE that goes away when the request is
repeated under its key; no run may be lost or begun twice, and every event stream must come to its
end without a gap. It prints the figures; the exit code is 1 when something is wrong.
"""
