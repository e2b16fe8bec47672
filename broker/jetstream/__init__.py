"""The ports of `broker.ports` over NATS JetStream.

`connect.connect` makes a `Broker`. Everything speaks to the server through the small `wire.Wire`
interface, of which there are two: `wire_lean`, our own client for the data path, and `wire_nats`
on nats-py. No other package imports a NATS library.
"""
