"""Whether the data directory of `shem up` is new, which decides what its broker sorts by itself."""

from pathlib import Path

from broker.subjects import PARTITIONS_DEFAULT
from shem.server import Server, ServerOptions


def sorted_into(data_dir: Path) -> int | None:
    return Server(ServerOptions(data_dir=data_dir, streams=4))._mapped_partitions()


def test_several_streams_may_be_asked_for_until_something_is_stored(tmp_path: Path):
    assert sorted_into(tmp_path) == PARTITIONS_DEFAULT
    # What a broker leaves that did not get its port.
    store = tmp_path / "nats" / "jetstream" / "jetstream"
    store.mkdir(parents=True)
    assert sorted_into(tmp_path) == PARTITIONS_DEFAULT
    (store / "$G" / "streams" / "SHEM_OPLOG").mkdir(parents=True)
    assert sorted_into(tmp_path) is None
