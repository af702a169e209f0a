"""Traces: what a request causes, hop by hop, for whoever collects OTLP.

`context` reads and writes W3C Trace Context, `spans` is what everybody else uses: a span has the
call at hand as its parent and is the call's trace for as long as it lasts. Without a collector
nothing is made, and `exporting`, the only module that knows OpenTelemetry, is never loaded.
"""
