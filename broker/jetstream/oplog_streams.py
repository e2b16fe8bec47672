"""The settings of the streams that hold mailboxes, logs and schedules: wanted, and found."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from broker.layout import DUPLICATE_WINDOW_S, TRANSFORM_SOURCE, transform_destination
from broker.sharding import Sharding

__all__ = [
    "StreamConfig",
    "differences_of",
    "mirror_config",
    "oplog_config",
    "sharding_of",
    "sharding_of_config",
    "splitting_of",
]

_NS_PER_S: Final = 1_000_000_000
_PARTITIONS: Final = "shem.partitions"
_STREAMS: Final = "shem.streams"
_SPLITTING: Final = "shem.splitting"

# Settings that decide whether messages survive and fences hold, with the value each must have.
_REQUIRED: Final[dict[str, object]] = {
    "retention": "limits",
    "storage": "file",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "allow_direct": True,
    "allow_msg_schedules": True,
    "allow_msg_ttl": True,
}


class _Transform(Struct, frozen=True):
    src: str = ""
    dest: str = ""


class StreamConfig(Struct, frozen=True):
    """The settings of a stream that matter to us."""

    subjects: tuple[str, ...] = ()
    num_replicas: int = 1
    retention: str = ""
    storage: str = ""
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    allow_direct: bool = False
    allow_msg_schedules: bool = False
    allow_msg_ttl: bool = False
    subject_transform: _Transform = _Transform()
    metadata: dict[str, str] | None = None


def sharding_of(config: StreamConfig) -> Sharding | None:
    """Return how partitions are dealt out, of any of the streams; None: otherwise than we do it."""
    metadata = config.metadata or {}
    if _SPLITTING in metadata:
        return None
    streams = metadata.get(_STREAMS, "1")
    partitions = metadata.get(_PARTITIONS, "")
    if streams != "1":
        if not (streams.isdecimal() and partitions.isdecimal()):
            return None
        return Sharding(int(partitions), int(streams))
    transform = config.subject_transform
    head, _, rest = transform.dest.partition("partition(")
    number = rest.partition(",")[0]
    if not head or not number.isdecimal() or transform.src != TRANSFORM_SOURCE:
        return None
    found = Sharding(int(number))
    return found if transform.dest == transform_destination(found.partitions) else None


def sharding_of_config(config: bytes) -> Sharding | None:
    """Return the same of a stream's settings as the server describes them."""
    return sharding_of(msgspec.json.decode(config, type=StreamConfig))


def differences_of(config: StreamConfig, number: int = 0) -> list[str]:
    """Return what stream `number` has otherwise than Shem needs it, in words."""
    found = [
        f"{name} is {getattr(config, name)!r} instead of {value!r}"
        for name, value in _REQUIRED.items()
        if getattr(config, name) != value
    ]
    sharding = sharding_of(config)
    if sharding is None:
        found.append(
            f"its subject transform is {config.subject_transform.src!r} to "
            f"{config.subject_transform.dest!r}"
        )
    wanted = (sharding or Sharding(1)).subjects(number)
    absent = sorted(set(wanted) - set(config.subjects))
    if absent:
        found.append(f"it takes in {list(config.subjects)}, which lacks {absent}")
    return found


def splitting_of(config: StreamConfig) -> tuple[Sharding, int] | None:
    """Return what is being split, and into how many streams; None: nothing is."""
    metadata = config.metadata or {}
    streams, partitions = metadata.get(_STREAMS, "1"), metadata.get(_PARTITIONS, "")
    target = metadata.get(_SPLITTING, "")
    if not (streams.isdecimal() and partitions.isdecimal() and target.isdecimal()):
        return None
    return Sharding(int(partitions), int(streams)), int(target)


def mirror_config(sharding: Sharding, number: int, source: str) -> dict[str, Any]:
    """Return the settings of a copy, with all sequences, of what stream `number` will hold."""
    own = range(number, sharding.partitions, sharding.streams)
    filters = [{"src": f"shem.oplog.{partition}.>", "dest": ""} for partition in own]
    config = {name: value for name, value in _REQUIRED.items() if name != "allow_msg_schedules"}
    return {
        **config,
        "description": "Shem: mailboxes, logs and schedules of workers",
        "mirror": {"name": source, "subject_transforms": filters},
        "duplicate_window": DUPLICATE_WINDOW_S * _NS_PER_S,
    }


def oplog_config(
    sharding: Sharding,
    number: int,
    replicas: int,
    *,
    splitting: Sharding | None = None,
    of: Sharding | None = None,
) -> dict[str, Any]:
    """Return the settings of stream `number`.

    `splitting`: into what the streams are being split; `of` is then what they were, if they have
    given up what moves.
    """
    config: dict[str, Any] = {
        **_REQUIRED,
        "description": "Shem: mailboxes, logs and schedules of workers",
        "subjects": list(sharding.subjects(number)),
        "num_replicas": replicas,
        "duplicate_window": DUPLICATE_WINDOW_S * _NS_PER_S,
    }
    if splitting is not None:
        config["metadata"] = {
            _PARTITIONS: str(sharding.partitions),
            _STREAMS: str((of or sharding).streams),
            _SPLITTING: str(splitting.streams),
        }
    if sharding.is_single:
        config["subject_transform"] = {
            "src": TRANSFORM_SOURCE,
            "dest": transform_destination(sharding.partitions),
        }
    elif splitting is None:
        config["metadata"] = {
            _PARTITIONS: str(sharding.partitions),
            _STREAMS: str(sharding.streams),
        }
    return config
