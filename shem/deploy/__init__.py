"""Configurations of NATS servers with an identity for each role, and TLS."""

from shem.deploy.bundle import BundleOptions, Written, write_bundle

__all__ = ["BundleOptions", "Written", "write_bundle"]
