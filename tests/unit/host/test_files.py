"""The private files of a worker, below the level of WASI."""

import gc
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.host.files import filesystem as filesystem_module
from actors.host.files.content import Content, FixedContent, Store
from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.initial import InitialFile, new_filesystem
from actors.host.files.limits import FILE_BYTES_MAX, INLINE_BYTES_MAX, PAGE_BYTES
from actors.host.files.nodes import Directory, File, Symlink
from actors.host.files.paths import find

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 3 * PAGE_BYTES), st.integers(0, 2 * PAGE_BYTES)),
        st.tuples(st.just("resize"), st.integers(0, 5 * PAGE_BYTES), st.just(0)),
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(operations=OPERATIONS)
def test_contents_behave_like_a_byte_array_whatever_their_size(operations):
    store = Store()
    content, model = Content(store), bytearray()
    for step, (operation, position, length) in enumerate(operations, start=1):
        if operation == "write":
            data = bytes([step]) * length
            content.write(position, data)
            if data:
                model.extend(bytes(max(0, position + length - len(model))))
                model[position : position + length] = data
        else:
            content.resize(position)
            del model[position:]
            model.extend(bytes(position - len(model)))
        assert content.size == len(model)
        assert content.read(0, 10 * PAGE_BYTES) == model
        assert content.read(PAGE_BYTES - 5, 10) == model[PAGE_BYTES - 5 : PAGE_BYTES + 5]
    content.release()
    assert store.bytes_used == 0


def test_freed_pages_are_used_again_and_read_as_zeroes():
    store = Store()
    first = Content(store, b"x" * (3 * PAGE_BYTES))
    first.release()
    second = Content(store)
    second.write(2 * PAGE_BYTES + 7, b"y")
    assert second.read(0, 3 * PAGE_BYTES) == bytes(2 * PAGE_BYTES + 7) + b"y"
    assert store.bytes_used == PAGE_BYTES


def test_a_hole_costs_nothing():
    store = Store(bytes_max=2 * PAGE_BYTES)
    content = Content(store)
    content.resize(FILE_BYTES_MAX)
    content.write(FILE_BYTES_MAX - 1, b"!")
    assert content.read(FILE_BYTES_MAX - 2, 100) == b"\0!"
    assert store.bytes_used == PAGE_BYTES


def test_the_quota_is_all_or_nothing():
    store = Store(bytes_max=2 * PAGE_BYTES)
    content = Content(store, b"keep")
    for offset, length in ((0, 2 * PAGE_BYTES + 1), (PAGE_BYTES - 1, PAGE_BYTES + 2)):
        with pytest.raises(FileError, match="quota"):
            content.write(offset, bytes(length))
        assert content.read(0, 100) == b"keep"
    content.write(0, bytes(2 * PAGE_BYTES))
    other = Content(store)
    with pytest.raises(FileError, match="quota"):
        other.write(0, b"x")
    content.release()
    other.write(0, b"x")


def test_a_file_has_an_end():
    content = Content(Store())
    with pytest.raises(FileError, match="file-too-large"):
        content.write(FILE_BYTES_MAX, b"x")
    with pytest.raises(FileError, match="file-too-large"):
        content.resize(FILE_BYTES_MAX + 1)


def test_the_file_on_disk_has_no_name_and_is_closed_with_its_store(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = Store()
    content = Content(store, bytes(INLINE_BYTES_MAX + 1))
    descriptor = store._file
    assert descriptor is not None
    assert os.fstat(descriptor).st_size > INLINE_BYTES_MAX
    assert list(tmp_path.iterdir()) == []
    del content, store
    gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def test_small_files_never_touch_the_disk():
    store = Store()
    Content(store, bytes(INLINE_BYTES_MAX))
    assert store._file is None


def tree() -> FileSystem:
    """`a/b/c`, `a/file`, and links in `a`: up to the root's file, to b, to itself, out."""
    files = FileSystem()
    root = files.root
    files.create_directory(root, "a", 1)
    files.create_directory(root, "a/b", 2)
    files.create_directory(root, "a/b/c", 3)
    files.create_file(find(root, "a/file", follow=True), 4, Content(files.store, b"data"))
    files.create_symlink(root, "b", "a/to-b", 5)
    files.create_symlink(root, "self", "a/self", 6)
    files.create_symlink(root, "../../out", "a/out", 7)
    files.create_symlink(root, "missing", "a/dangling", 8)
    files.create_symlink(root, "file/", "a/file-slash", 9)
    return files


@pytest.mark.parametrize(
    ("path", "same_as"),
    [
        ("a/b", "a//./b/."),
        ("a/b/", "a/b"),
        ("a/to-b", "a/b"),
        ("a/to-b/", "a/b"),
        ("a/to-b/c/..", "a/b"),
        ("a/b/..", "a"),
        (".", "a/.."),
    ],
)
def test_paths_that_lead_to_the_same_node(path, same_as):
    root = tree().root
    found = find(root, path, follow=True).existing
    assert isinstance(found, Directory)
    assert find(root, same_as, follow=True).existing is found


def test_a_link_at_the_end_is_itself_unless_followed():
    root = tree().root
    assert isinstance(find(root, "a/to-b", follow=False).existing, Symlink)
    assert isinstance(find(root, "a/to-b/", follow=False).existing, Directory)
    assert isinstance(find(root, "a/to-b/c", follow=False).existing, Directory)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "no-entry"),
        ("missing", "no-entry"),
        ("missing/x", "no-entry"),
        ("missing/..", "no-entry"),
        ("a/dangling", "no-entry"),
        ("a/file/x", "not-directory"),
        ("a/file/..", "not-directory"),
        ("a/file/", "not-directory"),
        ("a/file-slash", "not-directory"),
        ("a/self", "loop"),
        ("/a", "not-permitted"),
        ("..", "not-permitted"),
        ("a/../..", "not-permitted"),
        ("a/b/../../../a", "not-permitted"),
        ("a/out", "not-permitted"),
        ("a\0b", "invalid"),
        ("x" * 256, "name-too-long"),
        ("ü" * 128, "name-too-long"),
        ("a/" * 2049, "name-too-long"),
    ],
)
def test_paths_that_lead_nowhere(path, code):
    with pytest.raises(FileError) as caught:
        _ = find(tree().root, path, follow=True).existing
    assert caught.value.code == code


def test_no_path_leads_above_its_base():
    files = tree()
    base = find(files.root, "a/b", follow=True).existing
    assert isinstance(base, Directory)
    files.create_symlink(base, "../file", "up", 10)
    for path in ("..", "c/../..", "up"):
        with pytest.raises(FileError, match="not-permitted"):
            find(base, path, follow=True)


def test_walking_shows_every_path_in_order():
    assert [path for path, _ in tree().walk()] == [
        "a",
        "a/b",
        "a/b/c",
        "a/dangling",
        "a/file",
        "a/file-slash",
        "a/out",
        "a/self",
        "a/to-b",
    ]


def test_the_number_of_nodes_is_limited_and_removal_makes_room(monkeypatch):
    monkeypatch.setattr(filesystem_module, "NODES_MAX", 3)
    files = FileSystem()
    files.create_directory(files.root, "a", 1)
    files.create_directory(files.root, "b", 1)
    with pytest.raises(FileError, match="insufficient-space"):
        files.create_directory(files.root, "c", 1)
    files.remove_directory(files.root, "a", 2)
    files.create_directory(files.root, "c", 3)
    numbers = [node.number for _, node in files.walk()]
    assert numbers == [3, 4]


def test_changes_between_two_entries_of_the_log_keep_their_order():
    files = FileSystem()
    assert [files.tick(100), files.tick(100), files.tick(50), files.tick(200)] == [
        100,
        101,
        102,
        200,
    ]


def test_a_worker_begins_with_the_files_of_its_component():
    files = new_filesystem(
        [
            InitialFile(path="/etc/app/fixed.txt", data=b"fixed"),
            InitialFile(path="/etc/app/mine.txt", data=b"mine", is_writable=True),
        ]
    )
    contents = {
        path: (node.content.read(0, 10), node.is_read_only)
        for path, node in files.walk()
        if isinstance(node, File)
    }
    assert contents == {
        "etc/app/fixed.txt": (b"fixed", True),
        "etc/app/mine.txt": (b"mine", False),
    }
    assert files.store.bytes_used == 4


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["/a", "/a"], "exist"),
        (["/a", "/a/b"], "not-directory"),
        (["/../a"], "not-permitted"),
        (["/a/"], "exist"),
        (["/"], "no-entry"),
    ],
)
def test_initial_files_that_cannot_be_are_refused(paths, code):
    with pytest.raises(FileError) as caught:
        new_filesystem([InitialFile(path=path, data=b"") for path in paths])
    assert caught.value.code == code


def test_fixed_content_cannot_be_changed():
    content = FixedContent(b"abc")
    for change in (lambda: content.write(0, b"x"), lambda: content.resize(0)):
        with pytest.raises(FileError, match="read-only"):
            change()
    content.release()
    assert content.read(1, 5) == b"bc"
