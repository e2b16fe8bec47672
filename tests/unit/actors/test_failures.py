"""Every kind of error has its page, and says whether it is worth another try."""

from pathlib import Path

from actors.failures import KINDS, is_final

PAGES = Path(__file__).parents[3] / "docs" / "errors"


def test_kinds_and_pages_are_paired():
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == set(KINDS)


def test_a_page_says_what_the_worker_does_and_the_index_repeats_it():
    index = (PAGES / "README.md").read_text()
    for kind, retried in KINDS.items():
        page = (PAGES / f"{kind}.md").read_text()
        assert page.startswith(f"# {kind}\n")
        assert ("| tried again | by the worker" in page) is retried
        assert f"| [{kind}]({kind}.md) |" in index
        assert "**What to do.**" in page


def test_traps_are_tried_again_and_incomplete_writes_are_not():
    assert not is_final("trap")
    assert is_final("incomplete-write")
    assert not is_final("some kind of a later release")
