"""The management API over HTTP: how operations are described, reached, guarded and documented.

Which operations there are is not known here: whoever composes the gateway gives them, each with its
types, its role and what runs it.
"""
