"""Configurations of NATS servers with an identity for each role, and TLS."""

from shem.deploy.bundle import Written, write_bundle
from shem.deploy.options import BundleOptions, made_with, merged

__all__ = ["BundleOptions", "Written", "made_with", "merged", "write_bundle"]
