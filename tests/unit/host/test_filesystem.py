"""wasi:filesystem, every function with what can go wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.host.files.initial import InitialFile, new_filesystem
from actors.host.files.limits import DESCRIPTORS_MAX, WORKER_BYTES_MAX
from actors.host.streams import CLOSED, READ_BYTES_MAX, IoError
from actors.host.table import TABLE
from actors.host.wasi.filesystem_types import FILES
from wit.values import err, ok, some

NOTHING = frozenset()
FOLLOW = frozenset({"symlink-follow"})
CREATE = frozenset({"create"})
READ = frozenset({"read"})
READ_WRITE = frozenset({"read", "write"})
OUT = "wasi:io/streams#[method]output-stream."
IN = "wasi:io/streams#[method]input-stream."


class Guest:
    """Calls the functions of descriptors, short enough to read."""

    def __init__(self, context, call):
        self.context = context
        self.call = call
        [(self.root, _)] = call(context, "wasi:filesystem/preopens#get-directories")

    def on(self, descriptor, name, *arguments):
        full = f"wasi:filesystem/types#[method]descriptor.{name}"
        return self.call(self.context, full, descriptor, *arguments)

    def open(self, path, open_flags=CREATE, flags=READ_WRITE, base=None, path_flags=NOTHING):
        opened = self.on(
            base or self.root, "open-at", path_flags, path, frozenset(open_flags), frozenset(flags)
        )
        return opened[1] if opened[0] == "ok" else opened

    def file(self, path, data=b""):
        file = self.open(path)
        assert self.on(file, "write", data, 0) == ok(len(data))
        return file

    def read(self, file):
        return self.on(file, "read", 2**64 - 1, 0)

    def names(self, descriptor):
        listing = self.on(descriptor, "read-directory")[1]
        entries = []
        name = "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry"
        while (entry := self.call(self.context, name, listing)[1]) is not None:
            entries.append((entry[0]["name"], entry[0]["type"]))
        return entries

    def close(self, descriptor):
        TABLE["wasi:filesystem/types"].drops["descriptor"](self.context, descriptor)


@pytest.fixture
def guest(context, call):
    return Guest(context, call)


def test_the_root_is_an_empty_directory_with_room_for_temporary_files(guest):
    assert guest.on(guest.root, "get-type") == ok("directory")
    assert guest.on(guest.root, "get-flags") == ok(frozenset({"read", "mutate-directory"}))
    assert guest.names(guest.root) == [("tmp", "directory")]
    assert guest.call(guest.context, "wasi:cli/environment#initial-cwd") == some("/")


def test_what_was_written_is_read_again(guest):
    file = guest.file("a", b"hello")
    assert guest.on(file, "write", b"J", 0) == ok(1)
    assert guest.on(file, "write", b"!", 7) == ok(1)
    assert guest.read(file) == ok((b"Jello\0\0!", True))
    assert guest.on(file, "read", 3, 1) == ok((b"ell", False))
    assert guest.on(file, "read", 3, 100) == ok((b"", True))
    assert guest.on(file, "get-flags") == ok(READ_WRITE)
    assert guest.on(file, "get-type") == ok("regular-file")


def test_one_read_returns_a_bounded_piece(guest):
    file = guest.file("a")
    assert guest.on(file, "set-size", READ_BYTES_MAX + 1) == ok()
    data, at_end = guest.read(file)[1]
    assert (len(data), at_end) == (READ_BYTES_MAX, False)


def test_the_size_can_be_set(guest):
    file = guest.file("a", b"hello")
    assert guest.on(file, "set-size", 2) == ok()
    assert guest.on(file, "set-size", 4) == ok()
    assert guest.read(file) == ok((b"he\0\0", True))
    assert guest.on(file, "set-size", 2**63) == err("file-too-large")


@pytest.mark.parametrize(
    ("flags", "name", "arguments"),
    [
        (READ, "write", (b"x", 0)),
        (READ, "write-via-stream", (0,)),
        (READ, "append-via-stream", ()),
        (READ, "set-size", (0,)),
        ({"write"}, "read", (1, 0)),
        ({"write"}, "read-via-stream", (0,)),
    ],
)
def test_a_file_is_used_only_as_it_was_opened(guest, flags, name, arguments):
    guest.file("a", b"hello")
    file = guest.open("a", (), flags)
    assert guest.on(file, name, *arguments) == err("not-permitted")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read", (1, 0)),
        ("write", (b"x", 0)),
        ("set-size", (0,)),
        ("read-via-stream", (0,)),
        ("write-via-stream", (0,)),
        ("append-via-stream", ()),
    ],
)
def test_a_directory_has_no_bytes(guest, name, arguments):
    assert guest.on(guest.root, name, *arguments) == err("is-directory")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read-directory", ()),
        ("create-directory-at", ("x",)),
        ("stat-at", (NOTHING, "x")),
        ("open-at", (NOTHING, "x", NOTHING, READ)),
        ("readlink-at", ("x",)),
        ("remove-directory-at", ("x",)),
        ("symlink-at", ("x", "y")),
        ("unlink-file-at", ("x",)),
        ("metadata-hash-at", (NOTHING, "x")),
        ("set-times-at", (NOTHING, "x", ("now", None), ("now", None))),
    ],
)
def test_nothing_lies_in_a_file(guest, name, arguments):
    assert guest.on(guest.file("a"), name, *arguments) == err("not-directory")


@pytest.mark.parametrize("name", ["sync", "sync-data"])
def test_syncing_succeeds(guest, name):
    assert guest.on(guest.file("a"), name) == ok()


def test_advice_is_taken(guest):
    assert guest.on(guest.file("a"), "advise", 0, 10, "sequential") == ok()


def test_streams_read_and_write_from_an_offset_on(guest):
    file = guest.file("a", b"0123456789")
    sink = guest.on(file, "write-via-stream", 8)[1]
    for part in (b"ab", b"cd"):
        assert guest.call(guest.context, OUT + "write", sink, part) == ok()
    assert guest.call(guest.context, OUT + "blocking-flush", sink) == ok()
    source = guest.on(file, "read-via-stream", 6)[1]
    assert guest.call(guest.context, IN + "blocking-read", source, 4) == ok(b"67ab")
    assert guest.call(guest.context, IN + "skip", source, 1) == ok(1)
    assert guest.call(guest.context, IN + "read", source, 0) == ok(b"")
    assert guest.call(guest.context, IN + "read", source, 100) == ok(b"d")
    assert guest.call(guest.context, IN + "read", source, 100) == CLOSED


def test_appending_follows_the_end(guest):
    file = guest.file("a", b"0")
    first = guest.on(file, "append-via-stream")[1]
    second = guest.on(file, "append-via-stream")[1]
    for sink, part in ((first, b"1"), (second, b"2"), (first, b"3")):
        guest.call(guest.context, OUT + "blocking-write-and-flush", sink, part)
    assert guest.read(file) == ok((b"0123", True))


def test_a_write_that_fails_closes_its_stream_and_tells_the_code(guest):
    file = guest.file("a", b"keep")
    guest.root.filesystem.store.bytes_max = 10
    sink = guest.on(file, "append-via-stream")[1]
    failure = guest.call(guest.context, OUT + "write", sink, bytes(7))
    (case, error) = failure[1]
    assert (failure[0], case) == ("err", "last-operation-failed")
    name = "wasi:filesystem/types#filesystem-error-code"
    assert guest.call(guest.context, name, error) == some("quota")
    assert guest.call(guest.context, OUT + "check-write", sink) == CLOSED
    assert guest.call(guest.context, OUT + "write", sink, b"") == CLOSED
    assert guest.read(file) == ok((b"keep", True))


def test_errors_that_are_not_of_a_file_have_no_code(guest):
    name = "wasi:filesystem/types#filesystem-error-code"
    assert guest.call(guest.context, name, IoError("")) is None


def test_the_quota_covers_all_files_and_their_bytes_come_back(guest):
    guest.root.filesystem.store.bytes_max = 10
    first, second = guest.file("a", bytes(6)), guest.open("b")
    assert guest.on(second, "write", bytes(5), 0) == err("quota")
    assert guest.on(guest.root, "unlink-file-at", "a") == ok()
    assert guest.on(second, "write", bytes(5), 0) == err("quota")
    guest.close(first)
    assert guest.on(second, "write", bytes(5), 0) == ok(5)


def test_an_open_stream_keeps_the_bytes_of_a_removed_file(guest):
    file = guest.file("a", b"still here")
    source = guest.on(file, "read-via-stream", 0)[1]
    guest.close(file)
    guest.on(guest.root, "unlink-file-at", "a")
    assert guest.call(guest.context, IN + "read", source, 100) == ok(b"still here")
    TABLE["wasi:io/streams"].drops["input-stream"](guest.context, source)
    assert guest.root.filesystem.store.bytes_used == 0


def test_dropping_an_output_stream_lets_go_of_the_file(guest):
    file = guest.file("a", b"x")
    sink = guest.on(file, "write-via-stream", 0)[1]
    guest.close(file)
    guest.on(guest.root, "unlink-file-at", "a")
    assert guest.root.filesystem.store.bytes_used == 1
    TABLE["wasi:io/streams"].drops["output-stream"](guest.context, sink)
    assert guest.root.filesystem.store.bytes_used == 0


def test_a_gigabyte_and_a_byte_is_refused(guest):
    file = guest.file("a", b"x" * 100_000)
    guest.root.filesystem.store.bytes_used = WORKER_BYTES_MAX
    assert guest.on(file, "write", b"x", 10**6) == err("quota")


def test_descriptors_are_limited(guest):
    guest.file("a")
    guest.root.filesystem._descriptors = DESCRIPTORS_MAX
    assert guest.open("a") == err("insufficient-memory")
    guest.close(guest.root)
    assert guest.open("a") != err("insufficient-memory")


def test_directories_are_listed_by_name_with_their_types(guest):
    guest.on(guest.root, "create-directory-at", "sub")
    for name in ("b", "a", "Z", "ä"):
        guest.file(f"sub/{name}")
    guest.on(guest.root, "create-directory-at", "sub/m")
    guest.on(guest.root, "symlink-at", "a", "sub/link")
    directory = guest.open("sub", {"directory"}, READ)
    assert guest.names(directory) == [
        ("Z", "regular-file"),
        ("a", "regular-file"),
        ("b", "regular-file"),
        ("link", "symbolic-link"),
        ("m", "directory"),
        ("ä", "regular-file"),
    ]


def test_a_listing_is_that_of_the_moment_it_was_asked_for(guest):
    guest.file("a")
    listing = guest.on(guest.root, "read-directory")[1]
    guest.on(guest.root, "unlink-file-at", "a")
    entry = some({"type": "regular-file", "name": "a"})
    name = "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry"
    assert guest.call(guest.context, name, listing) == ok(entry)


@pytest.mark.parametrize(
    ("path", "open_flags", "flags", "code"),
    [
        ("missing", (), READ, "no-entry"),
        ("missing/", {"create"}, READ_WRITE, "is-directory"),
        ("file", {"create", "exclusive"}, READ_WRITE, "exist"),
        ("link", {"create", "exclusive"}, READ_WRITE, "exist"),
        ("dangling", {"create", "exclusive"}, READ_WRITE, "exist"),
        ("file", {"directory"}, READ, "not-directory"),
        ("file/", (), READ, "not-directory"),
        ("dir", {"create", "directory"}, READ, "invalid"),
        ("dir", {"create"}, READ, "is-directory"),
        ("dir", {"truncate"}, READ, "is-directory"),
        ("dir", (), READ_WRITE, "is-directory"),
        ("link", (), READ, "loop"),
        ("/file", (), READ, "not-permitted"),
        ("../file", (), READ, "not-permitted"),
        ("dir/../../file", (), READ, "not-permitted"),
    ],
)
def test_opening_what_cannot_be_opened(guest, path, open_flags, flags, code):
    guest.file("file")
    guest.on(guest.root, "create-directory-at", "dir")
    guest.on(guest.root, "symlink-at", "file", "link")
    guest.on(guest.root, "symlink-at", "nowhere", "dangling")
    assert guest.open(path, open_flags, flags) == err(code)


def test_opening_exclusively_creates_and_truncating_empties(guest):
    file = guest.open("a", {"create", "exclusive"})
    guest.on(file, "write", b"hello", 0)
    assert guest.read(guest.open("a", {"truncate"})) == ok((b"", True))


def test_opening_follows_a_link_if_asked_and_creates_behind_it(guest):
    guest.on(guest.root, "symlink-at", "target", "link")
    file = guest.open("link", CREATE, READ_WRITE, path_flags=FOLLOW)
    guest.on(file, "write", b"x", 0)
    assert guest.read(guest.open("target")) == ok((b"x", True))
    assert guest.open("link", {"create", "exclusive"}, path_flags=FOLLOW) == err("exist")


def test_a_directory_opened_for_reading_stays_as_it_is(guest):
    guest.file("a")
    root = guest.root
    root.flags = READ
    for name, arguments in (
        ("create-directory-at", ("x",)),
        ("remove-directory-at", ("tmp",)),
        ("unlink-file-at", ("a",)),
        ("symlink-at", ("a", "x")),
        ("rename-at", ("a", root, "x")),
        ("link-at", (NOTHING, "a", root, "x")),
        ("set-times-at", (NOTHING, "a", ("now", None), ("now", None))),
        ("open-at", (NOTHING, "x", CREATE, READ)),
        ("open-at", (NOTHING, "a", frozenset({"truncate"}), READ)),
        ("open-at", (NOTHING, "a", NOTHING, READ_WRITE)),
        ("open-at", (NOTHING, "tmp", NOTHING, frozenset({"mutate-directory"}))),
    ):
        assert guest.on(root, name, *arguments) == err("read-only"), name
    assert guest.on(guest.open("tmp", (), READ), "create-directory-at", "x") == err("read-only")


def test_a_directory_passes_its_rights_on(guest):
    directory = guest.open("tmp", (), READ)
    assert guest.on(directory, "create-directory-at", "x") == ok()
    assert guest.on(guest.root, "stat-at", NOTHING, "tmp/x")[0] == "ok"


def test_files_of_the_component_are_read_and_nothing_else(context, call):
    context.state[FILES] = new_filesystem([InitialFile(path="/fixed", data=b"fixed")])
    guest = Guest(context, call)
    file = guest.open("fixed", (), READ)
    assert guest.read(file) == ok((b"fixed", True))
    assert guest.open("fixed", (), READ_WRITE) == err("access")
    assert guest.open("fixed", {"truncate"}, READ) == err("access")
    assert guest.on(guest.root, "unlink-file-at", "fixed") == err("not-permitted")
    assert guest.on(guest.root, "rename-at", "fixed", guest.root, "x") == err("not-permitted")
    guest.file("mine")
    assert guest.on(guest.root, "rename-at", "mine", guest.root, "fixed") == err("not-permitted")
    source = guest.on(file, "read-via-stream", 2)[1]
    assert guest.call(context, IN + "read", source, 10) == ok(b"xed")


def test_directories_are_made_and_removed(guest):
    assert guest.on(guest.root, "create-directory-at", "a") == ok()
    assert guest.on(guest.root, "create-directory-at", "a/b/") == ok()
    assert guest.on(guest.root, "create-directory-at", "a") == err("exist")
    assert guest.on(guest.root, "create-directory-at", ".") == err("exist")
    assert guest.on(guest.root, "create-directory-at", "x/y") == err("no-entry")
    assert guest.on(guest.root, "remove-directory-at", "a") == err("not-empty")
    assert guest.on(guest.root, "remove-directory-at", "a/.") == err("not-empty")
    assert guest.on(guest.root, "remove-directory-at", ".") == err("invalid")
    assert guest.on(guest.root, "remove-directory-at", "a/b/") == ok()
    assert guest.on(guest.root, "remove-directory-at", "a/b") == err("no-entry")
    guest.file("file")
    assert guest.on(guest.root, "remove-directory-at", "file") == err("not-directory")


def test_nothing_is_made_in_a_removed_directory(guest):
    guest.on(guest.root, "create-directory-at", "a")
    directory = guest.open("a", (), READ)
    guest.file("file")
    guest.on(guest.root, "remove-directory-at", "a")
    for name, arguments in (
        ("create-directory-at", ("x",)),
        ("symlink-at", ("x", "y")),
        ("open-at", (NOTHING, "x", CREATE, READ)),
    ):
        assert guest.on(directory, name, *arguments) == err("no-entry"), name
    assert guest.on(guest.root, "rename-at", "file", directory, "x") == err("no-entry")
    assert guest.on(guest.root, "link-at", NOTHING, "file", directory, "x") == err("no-entry")
    assert guest.names(directory) == []


def test_files_and_links_are_unlinked(guest):
    guest.file("a")
    guest.on(guest.root, "symlink-at", "a", "link")
    assert guest.on(guest.root, "unlink-file-at", "link") == ok()
    assert guest.on(guest.root, "unlink-file-at", "a/") == err("not-directory")
    assert guest.on(guest.root, "unlink-file-at", "a") == ok()
    assert guest.on(guest.root, "unlink-file-at", "a") == err("no-entry")
    assert guest.on(guest.root, "unlink-file-at", "tmp") == err("is-directory")
    assert guest.on(guest.root, "unlink-file-at", "tmp/..") == err("is-directory")


def test_symbolic_links_say_what_they_were_told(guest):
    assert guest.on(guest.root, "symlink-at", "../any/where/", "link") == ok()
    assert guest.on(guest.root, "readlink-at", "link") == ok("../any/where/")
    assert guest.on(guest.root, "symlink-at", "x", "link") == err("exist")
    assert guest.on(guest.root, "symlink-at", "x", "y/") == err("no-entry")
    assert guest.on(guest.root, "symlink-at", "/etc/passwd", "y") == err("not-permitted")
    assert guest.on(guest.root, "readlink-at", "tmp") == err("invalid")
    assert guest.on(guest.root, "readlink-at", "x") == err("no-entry")
    stat = guest.on(guest.root, "stat-at", NOTHING, "link")[1]
    assert (stat["type"], stat["size"]) == ("symbolic-link", 13)


def test_a_file_with_two_names_is_one_file(guest):
    file = guest.file("a", b"x")
    assert guest.on(guest.root, "link-at", NOTHING, "a", guest.root, "b") == ok()
    assert guest.on(guest.root, "stat-at", NOTHING, "b")[1]["link-count"] == 2
    other = guest.open("b")
    assert guest.on(file, "is-same-object", other) is True
    assert guest.on(file, "is-same-object", guest.root) is False
    guest.on(guest.root, "unlink-file-at", "a")
    assert guest.read(other) == ok((b"x", True))
    assert guest.on(other, "stat")[1]["link-count"] == 1


def test_links_that_cannot_be_made(guest):
    guest.file("a")
    root = guest.root
    assert guest.on(root, "link-at", FOLLOW, "a", root, "b") == err("invalid")
    assert guest.on(root, "link-at", NOTHING, "tmp", root, "b") == err("not-permitted")
    assert guest.on(root, "link-at", NOTHING, "a", root, "tmp") == err("exist")
    assert guest.on(root, "link-at", NOTHING, "a", root, "b/") == err("no-entry")
    assert guest.on(root, "link-at", NOTHING, "x", root, "b") == err("no-entry")


def test_renaming_moves_and_replaces(guest):
    root = guest.root
    guest.file("a", b"a")
    guest.file("b", b"b")
    guest.on(root, "create-directory-at", "d")
    directory = guest.open("d", (), READ)
    assert guest.on(root, "rename-at", "a", root, "b") == ok()
    assert guest.on(root, "rename-at", "b", directory, "c") == ok()
    assert guest.read(guest.open("d/c", ())) == ok((b"a", True))
    assert guest.on(root, "rename-at", "d", root, "tmp/") == ok()
    assert guest.names(guest.open("tmp", (), READ)) == [("c", "regular-file")]
    assert guest.names(root) == [("tmp", "directory")]
    assert guest.root.filesystem.store.bytes_used == 2  # The replaced one is still open.


def test_renames_that_cannot_be_done_change_nothing(guest):
    root = guest.root
    guest.on(root, "create-directory-at", "tmp/sub")
    guest.on(root, "create-directory-at", "empty")
    guest.file("a", b"a")
    before = [path for path, _ in root.filesystem.walk()]
    for old, new, code in (
        ("missing", "x", "no-entry"),
        ("a", "tmp", "is-directory"),
        ("a", "x/", "not-directory"),
        ("a/", "x", "not-directory"),
        ("a", "x/y", "no-entry"),
        ("a", ".", "busy"),
        ("tmp/..", "x", "busy"),
        ("tmp", "tmp/sub/x", "invalid"),
        ("tmp", "tmp/x", "invalid"),
        ("empty", "tmp", "not-empty"),
        ("empty", "a", "not-directory"),
        ("a", "../a", "not-permitted"),
    ):
        assert guest.on(root, "rename-at", old, root, new) == err(code), (old, new)
    assert [path for path, _ in root.filesystem.walk()] == before


def test_renaming_a_name_to_the_same_file_does_nothing(guest):
    root = guest.root
    guest.file("a")
    guest.on(root, "link-at", NOTHING, "a", root, "b")
    assert guest.on(root, "rename-at", "a", root, "b") == ok()
    assert guest.on(root, "rename-at", "a", root, "a") == ok()
    assert [name for name, _ in guest.names(root)] == ["a", "b", "tmp"]


def test_a_moved_directory_knows_where_it_is(guest):
    root = guest.root
    for path in ("a", "b", "a/c"):
        guest.on(root, "create-directory-at", path)
    assert guest.on(root, "rename-at", "a", root, "b/a") == ok()
    assert guest.on(root, "rename-at", "b", root, "b/a/c/b") == err("invalid")
    assert guest.on(root, "rename-at", "b/a/c", root, "c") == ok()
    assert guest.on(root, "rename-at", "b", root, "c/b") == ok()


def test_stat_tells_size_links_and_times(guest):
    file = guest.file("a", b"hello")
    stat = guest.on(file, "stat")[1]
    assert (stat["type"], stat["size"], stat["link-count"]) == ("regular-file", 5, 1)
    now = guest.context.recorded_wall_ns
    modified = stat["data-modification-timestamp"][0]
    assert now <= modified["seconds"] * 10**9 + modified["nanoseconds"] < now + 1000
    assert guest.on(guest.root, "stat-at", NOTHING, "a") == ok(stat)
    assert guest.on(guest.root, "stat-at", NOTHING, "b") == err("no-entry")


def test_a_change_shows_in_the_times(guest):
    file = guest.file("a")
    before = guest.on(file, "stat")[1]
    guest.on(file, "write", b"x", 0)
    after = guest.on(file, "stat")[1]
    assert before["data-access-timestamp"] == after["data-access-timestamp"]
    for name in ("data-modification-timestamp", "status-change-timestamp"):
        old, new = before[name][0], after[name][0]
        assert (old["seconds"], old["nanoseconds"]) < (new["seconds"], new["nanoseconds"])


def test_times_are_set(guest):
    file = guest.file("a")
    then = {"seconds": 5, "nanoseconds": 6}
    assert guest.on(file, "set-times", ("timestamp", then), ("no-change", None)) == ok()
    stat = guest.on(file, "stat")[1]
    assert stat["data-access-timestamp"] == some(then)
    assert stat["data-modification-timestamp"] != some(then)
    guest.on(guest.root, "symlink-at", "a", "link")
    now, old = ("now", None), ("timestamp", then)
    assert guest.on(guest.root, "set-times-at", FOLLOW, "link", now, old) == ok()
    stat = guest.on(file, "stat")[1]
    assert stat["data-modification-timestamp"] == some(then)
    assert stat["data-access-timestamp"] == stat["status-change-timestamp"]
    link = guest.on(guest.root, "stat-at", NOTHING, "link")[1]
    assert link["data-modification-timestamp"] != some(then)


def test_a_second_has_so_many_nanoseconds(guest):
    wrong = ("timestamp", {"seconds": 0, "nanoseconds": 10**9})
    assert guest.on(guest.file("a"), "set-times", wrong, wrong) == err("invalid")


def test_the_metadata_hash_identifies_the_file_whatever_happens_to_it(guest):
    file = guest.file("a")
    before = guest.on(file, "metadata-hash")
    guest.on(file, "write", b"x", 0)
    guest.on(guest.root, "rename-at", "a", guest.root, "b")
    assert guest.on(guest.root, "metadata-hash-at", NOTHING, "b") == before
    assert guest.on(guest.root, "metadata-hash") != before
    assert guest.on(guest.root, "metadata-hash-at", NOTHING, "a") == err("no-entry")


NAMES = st.sampled_from(["a", "b", "tmp", "tmp/a", "tmp/b", "a/b", "b/a", "link/a", "../a", "."])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create-directory-at"), NAMES),
        st.tuples(st.just("unlink-file-at"), NAMES),
        st.tuples(st.just("remove-directory-at"), NAMES),
        st.tuples(st.just("symlink-at"), NAMES, NAMES),
        st.tuples(st.just("rename-at"), NAMES, st.just("root"), NAMES),
        st.tuples(st.just("link-at"), st.just(NOTHING), NAMES, st.just("root"), NAMES),
        st.tuples(st.just("open-at"), st.just(FOLLOW), NAMES, st.just(CREATE), st.just(READ_WRITE)),
        st.tuples(st.just("stat-at"), st.just(FOLLOW), NAMES),
        st.tuples(st.just("metadata-hash-at"), st.just(NOTHING), NAMES),
    ),
    max_size=30,
)


def observe(guest, steps):
    """Do all steps and return everything that the guest gets to see."""
    seen = []
    for number, (name, *rest) in enumerate(steps):
        arguments = [guest.root if one == "root" else one for one in rest]
        result = guest.on(guest.root, name, *arguments)
        if name == "open-at" and result[0] == "ok":
            descriptor = result[1]
            seen.append(guest.on(descriptor, "write", b"%d" % number, number))
            seen.append(guest.on(descriptor, "stat"))
            result = guest.read(descriptor) if descriptor.node.type != "directory" else "directory"
        seen.append(result)
    paths = [(path, node.number, node.size) for path, node in guest.root.filesystem.walk()]
    return seen, paths


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_replay_on_a_clean_file_system_shows_the_guest_the_same(steps, new_context, call):
    live = new_context()
    replayed = live.replayed()
    # The machine's clock goes on; the log's times stay.
    replayed.clock.now_ns += 10**12
    assert observe(Guest(live, call), steps) == observe(Guest(replayed, call), steps)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_the_tree_stays_sound_whatever_a_guest_does(steps, new_context, call):
    guest = Guest(new_context(), call)
    observe(guest, steps)
    links = {}
    for path, node in guest.root.filesystem.walk():
        links.setdefault(node, []).append(path)
    for node, paths in links.items():
        assert node.links == len(paths)
        if node.type == "directory":
            assert len(paths) == 1
            assert node.is_within(guest.root.node)
    assert guest.root.filesystem._nodes_alive == len(links) + 1
