"""Messaging as ports: bytes, subjects and sequence numbers, no knowledge of workers' contents.

`broker.ports` says what Shem needs of a broker; `broker.jetstream` does it with NATS JetStream,
`broker.memory` deterministically in memory. One contract suite holds both to the same behaviour.
"""
