"""Saving an idle instance and making it anew elsewhere."""
