"""Restate beside us: its server from npm, its Python SDK, the same workloads."""
