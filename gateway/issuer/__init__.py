"""The built-in issuer: accounts, passwords and tokens, shaped like GoTrue so that its clients fit.

Credentials come in, signed access tokens and rotating refresh tokens go out. Only this package
reads the schema `gateway`, under a role of its own.
"""
