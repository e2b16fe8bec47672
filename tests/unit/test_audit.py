"""What is installed is what the lock names."""

from tests.support.audit import LOCK, unlocked


def test_every_dependency_is_locked_with_a_digest():
    assert unlocked(LOCK.read_text()) == []


def test_what_is_locked_without_a_digest_is_found():
    lock = "one==1.0 \\\n    --hash=sha256:00\ntwo==2.0\nthree==3.0 \\\n    --hash=sha256:11\n"
    assert unlocked(lock) == ["two"]
