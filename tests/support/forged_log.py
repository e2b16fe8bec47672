"""Damage to a log, as that of a disk cannot be had for the asking."""

import nats

__all__ = ["forge"]


async def forge(url: str, component: str, worker: str) -> None:
    """Append to the log of a worker what no executor wrote."""
    client = await nats.connect(url)
    stream = client.jetstream()
    pattern = f"shem.oplog.*.{component}.{worker}.log"
    info = await stream.stream_info("SHEM_OPLOG", subjects_filter=pattern)
    (subject,) = info.state.subjects
    last = await stream.get_last_msg("SHEM_OPLOG", subject)
    told = {name: text for name, text in last.headers.items() if name.startswith("Shem-")}
    await stream.publish(subject, last.data, headers=told)
    await client.close()
