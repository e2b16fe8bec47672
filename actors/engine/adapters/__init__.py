"""Calls between components of one store, and destructors, generated as core WebAssembly.

A call from component to component never enters Python unless it hands over a resource, so it costs
nanoseconds, the inner guest may wait, and a fiber is never suspended with Python frames on its
stack. Pure: makes text from types.
"""
