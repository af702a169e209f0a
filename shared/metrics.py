"""Metrics in Prometheus' form, for services that have no HTTP door of their own."""

from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server


def serve_metrics(port: int, host: str) -> WSGIServer:
    """Answer `GET /metrics` on a port of its own, from a thread that the loop does not know."""
    server, _ = start_http_server(port, host)
    return server
