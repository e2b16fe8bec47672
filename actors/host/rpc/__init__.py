"""Calling other workers from a guest, whatever interface it uses for that."""
