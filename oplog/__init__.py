"""The journal of a worker: entries, their encoding, the fenced writer, the replay cursor.

The core (`entries`, `codec`, `chain`, `replay`) is pure: bytes and structs in, structs out, no
network and no clock. `writer` and `reader` are thin and speak to `broker.ports` alone.
"""
