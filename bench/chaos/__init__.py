"""Engines that are killed, frozen, added and taken away under load, again and again.

`python -m bench.chaos --kills 1000` runs a mixed workload (effects, loops, waits, approvals, a
workflow with a limit) on several engines while they are killed at random moments, and says at the
end whether anything was lost, doubled or left behind. `--scale-out 300` lets replicas join, leave
and die every ten seconds instead, and prints what they achieve. The exit code is 1 when something
is wrong. The harness starts a PostgreSQL and an HTTP server of its own.
"""
