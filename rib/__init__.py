"""Rib, a small typed expression language that calls components through a port."""
