"""Resources and state of a worker, saved and loaded: equal afterwards, or refused with a reason."""

import asyncio
import contextlib
import random

import msgspec
import pytest

from actors.engine.errors import SnapshotRefusedError, SnapshotUnusableError
from actors.host import saving
from actors.host.files.content import FixedContent
from actors.host.files.initial import InitialFile, new_filesystem
from actors.host.files.limits import PAGE_BYTES, SAVED_BYTES_MAX
from actors.host.http.exchange import Exchange
from actors.host.pollable import Always, Event, Never, Timer
from actors.host.saving import StateKey, load, refuses, save, saveable
from actors.host.streams import ClosedInput, ConsoleOutput, IoError
from actors.host.table import TABLE
from actors.host.wasi.filesystem_types import FILES
from wit.values import ok, some

FILE = "wasi:filesystem/types#[method]descriptor."
OUT = "wasi:io/streams#[method]output-stream."
IN = "wasi:io/streams#[method]input-stream."
NEXT = "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry"
READ_WRITE = frozenset({"read", "write"})


def again(objects, state=(), given=None):
    return load(save(objects, dict(state)), given)


def test_what_is_shared_stays_shared_and_cycles_are_no_obstacle():
    @saveable("test/node", "next", "values")
    class Node:
        def __init__(self):
            self.next = self
            self.values = [1, -(2**63), 2**200, 1.5, None, True, "x", b"y", (1, (2,)), {"k": {1}}]
            self.values += [frozenset({"a", "b"}), bytearray(b"z"), {(1, 2): "tuple key"}]

    one, other = Node(), Node()
    one.next, other.next = other, one
    first, second, third = again([one, other, one]).objects
    assert first.next is second
    assert second.next is first
    assert third is first
    assert first.values == one.values
    assert [type(each) for each in first.values] == [type(each) for each in one.values]


def test_a_chain_of_any_length_is_saved_without_recursion():
    @saveable("test/link", "next")
    class Link:
        def __init__(self, behind):
            self.next = behind

    chain = None
    for _ in range(20_000):
        chain = Link(chain)
    (found,) = again([chain]).objects
    length = 0
    while found is not None:
        found, length = found.next, length + 1
    assert length == 20_000


def test_a_class_without_a_word_is_refused_with_its_name():
    class Socket:
        pass

    with pytest.raises(SnapshotRefusedError, match="holds a Socket: it is of a class that does"):
        save([Socket()], {})
    with pytest.raises(SnapshotRefusedError, match="holds a Socket"):
        save([[{"deep": (Socket(),)}]], {})


def test_a_class_may_say_why_it_is_refused():
    @refuses("it is a thing of the moment")
    class Moment:
        pass

    with pytest.raises(SnapshotRefusedError, match="holds a Moment: it is a thing of the moment"):
        save([Moment()], {})
    with pytest.raises(SnapshotRefusedError, match="holds a Event: it waits for something outside"):
        save([Event(lambda: True, asyncio.Event().wait)], {})
    exchange = Exchange.__new__(Exchange)
    with pytest.raises(SnapshotRefusedError, match="its connection exists in this process alone"):
        save([exchange], {})


def test_an_attribute_that_nobody_mentioned_is_refused_rather_than_lost():
    timer = Timer(5)
    timer.extra = 1
    with pytest.raises(SnapshotRefusedError, match=r"Timer\.extra is not among what is saved"):
        save([timer], {})


def test_state_is_saved_by_named_keys_and_transient_state_is_left_out():
    kept, passing = StateKey("test/kept"), StateKey("test/passing", is_transient=True)
    state = again([], {kept: {"a": Timer(7)}, passing: object()}).state
    assert list(state) == [kept]
    assert state[kept]["a"].deadline_ns == 7
    with pytest.raises(SnapshotRefusedError, match="keeps a list without saying how it is saved"):
        save([], {object(): []})


def test_simple_resources_come_back_equal(context):
    objects = [
        Always(), Never(), Timer(12), ClosedInput(), ConsoleOutput("stderr"),
        IoError("m", filesystem_code="no-entry"),
        IoError("m", http_code=("DNS-error", some({"rcode": some("x"), "info-code": None}))),
    ]  # fmt: skip
    found = again(objects).objects
    assert [type(one) for one in found] == [type(one) for one in objects]
    assert found[2].deadline_ns == 12
    assert found[4].stream == "stderr"
    assert found[5:] == tuple(objects[5:])


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_damaged_bytes_are_unusable_and_nothing_else(cut):
    data = save([Timer(5), [ConsoleOutput("stdout")]], {FILES: new_filesystem()})
    with pytest.raises(SnapshotUnusableError):
        load(data[:cut])
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0xFF
        with contextlib.suppress(SnapshotUnusableError):
            load(bytes(changed))


def test_what_a_newer_release_saved_is_unusable():
    graph = {"v": 1, "objects": [("io/of-tomorrow", ["d"])], "roots": [["o", 0]], "state": {}}
    with pytest.raises(SnapshotUnusableError, match="no resource is saved as 'io/of-tomorrow'"):
        load(msgspec.msgpack.encode(graph))
    graph = {"v": 1, "objects": [("io/timer", ["d"])], "roots": [["o", 0]], "state": {}}
    with pytest.raises(SnapshotUnusableError, match="'io/timer' has no 'deadline_ns'"):
        load(msgspec.msgpack.encode(graph))
    graph = {"v": 1, "objects": [], "roots": [], "state": {"tomorrow": 1}}
    with pytest.raises(SnapshotUnusableError, match="keeps a state 'tomorrow'"):
        load(msgspec.msgpack.encode(graph))
    with pytest.raises(SnapshotUnusableError, match="version 2"):
        load(msgspec.msgpack.encode({**graph, "v": 2}))


class Guest:
    """Does the same at two workers, one of which is saved and loaded in between."""

    def __init__(self, context, call):
        self.context, self.call = context, call
        [(root, _)] = call(context, "wasi:filesystem/preopens#get-directories")
        self.held = [root]

    def moved(self, new_context, given=None):
        """Return the same guest in another worker."""
        moved = Guest.__new__(Guest)
        moved.call = self.call
        moved.context = new_context()
        moved.context.clock.now_ns = self.context.clock.now_ns
        saved = load(save(self.held, self.context.state), given)
        moved.held = list(saved.objects)
        moved.context.state.update(saved.state)
        return moved

    def act(self, rng):
        """Do something and return what can be seen of it."""
        on, call, context = self.held, self.call, self.context
        what = rng.randrange(12)
        file = on[rng.randrange(len(on))]
        path = rng.choice(["a", "b", "tmp/c", "tmp/d", "e/f", "e"])
        data = rng.randbytes(rng.choice([3, 100, PAGE_BYTES + 5]))
        kind = type(file).__name__
        if what < 3:
            flags = frozenset({"create"}) if rng.random() < 0.8 else frozenset()
            opened = call(context, f"{FILE}open-at", on[0], frozenset(), path, flags, READ_WRITE)
            return self.keep(opened)
        if what == 3:
            return call(context, f"{FILE}create-directory-at", on[0], "e")
        if what == 4:
            return call(context, f"{FILE}unlink-file-at", on[0], path)
        if what == 5:
            return call(context, f"{FILE}rename-at", on[0], path, on[0], rng.choice(["a", "g"]))
        if kind == "Descriptor" and what < 9:
            method = rng.choice(
                ["write", "read", "write-via-stream", "read-via-stream", "append-via-stream",
                 "stat", "metadata-hash", "read-directory", "set-size"]
            )  # fmt: skip
            place = rng.randrange(200)
            arguments = {
                "write": (data, place), "read": (500, place), "write-via-stream": (place,),
                "read-via-stream": (place,), "set-size": (place * 700,),
            }.get(method, ())  # fmt: skip
            return self.keep(call(context, FILE + method, file, *arguments))
        match kind:
            case "FileOutput":
                piece = data[:60_000]
                return call(context, f"{OUT}write", file, piece)
            case "FileInput":
                return call(context, f"{IN}read", file, 64)
            case "DirectoryListing":
                return call(context, NEXT, file)
            case "Descriptor" if file is not on[0] and what == 11:
                on.remove(file)
                TABLE["wasi:filesystem/types"].drops["descriptor"](context, file)
        return None

    def keep(self, result):
        arm, value = result
        if arm == "ok" and type(value).__name__ in {
            "Descriptor", "FileInput", "FileOutput", "DirectoryListing",
        }:  # fmt: skip
            self.held.append(value)
            return ("ok", type(value).__name__)
        return result


@pytest.mark.parametrize("seed", range(12))
def test_open_files_and_live_streams_go_on_as_if_never_stopped(seed, new_context, call):
    staying, moving = Guest(new_context(), call), Guest(new_context(), call)
    for step in range(150):
        if step % 5 == 0:
            moving = moving.moved(new_context)
        rngs = random.Random(f"{seed} {step}"), random.Random(f"{seed} {step}")
        assert moving.act(rngs[0]) == staying.act(rngs[1])
    files = [guest.context.state[FILES] for guest in (staying, moving)]
    seen = [
        [(path, vars(node) | {"content": None, "parent": None, "entries": None})
         for path, node in each.walk()]
        for each in files
    ]  # fmt: skip
    assert seen[0] == seen[1]
    assert files[0].store.bytes_used == files[1].store.bytes_used
    assert len(staying.held) > 5


def test_files_of_the_component_are_named_and_not_copied(new_context, call):
    data = bytes(range(256)) * 4000
    files = (
        InitialFile(path="/data/fixed", data=data),
        InitialFile(path="/data/own", data=b"mine", is_writable=True),
    )
    context = new_context()
    context.state[FILES] = new_filesystem(files)
    guest = Guest(context, call)
    assert len(save(guest.held, context.state)) < 10_000
    moved = guest.moved(new_context, {FixedContent(data).digest: data})
    for each in (guest, moved):
        opened = each.call(
            each.context, f"{FILE}open-at", each.held[0], frozenset(), "data/fixed", frozenset(),
            frozenset({"read"}),
        )  # fmt: skip
        assert each.call(each.context, f"{FILE}read", opened[1], 256, 0) == ok((data[:256], False))
    with pytest.raises(SnapshotUnusableError, match="the component has no file with SHA-256"):
        guest.moved(new_context, {})


def test_more_bytes_than_a_snapshot_may_hold_are_refused(new_context, call):
    guest = Guest(new_context(), call)
    opened = call(
        guest.context, f"{FILE}open-at", guest.held[0], frozenset(), "big", frozenset({"create"}),
        READ_WRITE,
    )  # fmt: skip
    piece = bytes(1 << 20)
    for number in range(SAVED_BYTES_MAX // len(piece) + 1):
        call(guest.context, f"{FILE}write", opened[1], piece, number << 20)
    with pytest.raises(SnapshotRefusedError, match="the worker's files take"):
        save(guest.held, guest.context.state)


def test_every_name_is_known_to_whoever_reads_old_snapshots():
    """Names stand in saved workers: one that vanishes or changes makes those unusable."""
    names = {name for name in {*saving._by_name, *saving._structs} if not name.startswith("test/")}
    assert names >= {
        "files/content", "files/descriptor", "files/directory", "files/directory-listing",
        "files/file", "files/filesystem", "files/fixed", "files/input", "files/output",
        "files/store", "files/symlink", "http/body-sink", "http/bytes", "http/fields",
        "http/future-trailers", "http/incoming-body", "http/incoming-request",
        "http/outgoing-body", "http/outgoing-request", "http/outgoing-response",
        "http/request-options", "http/response-outparam", "io/always-ready", "io/closed-input",
        "io/console-output", "io/error", "io/never-ready", "io/timer", "sockets/network",
    }  # fmt: skip
