"""Clients that are connected by websockets, and that workers send to by name.

Who holds which client lies in a bucket that all gateways follow; what is sent to a client lies in
the broker's stream, and is written to its connection by whichever gateway holds it.
"""
