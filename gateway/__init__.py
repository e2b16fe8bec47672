"""The HTTP edge: APIs whose routes are bound to Rib programs.

Owns definitions, deployments, route tables, requests and responses. Knows no client: whoever
composes it gives it the port through which programs call workers.
"""
