"""The journal of a worker: entries, their encoding, the fenced writer, the replay cursor.

| to | read |
|---|---|
| know what a log holds | `entries`, `commit`, `headers`, `limits` |
| turn it into bytes and back | `codec`, `payloads` |
| write it | `writer`, `tombstone` |
| read it | `reader`, `replay`, `status`, `outcome` |
| show it | `public`, `render`, `search`, `pattern` |

The core is pure: bytes and structs in, structs out, no network and no clock. Only `writer`,
`reader`, `payloads`, `tombstone` and `outcome` speak to a broker, through `broker.ports` alone.
"""
