"""Outcomes of tests as JUnit XML, which build servers read."""

from collections.abc import Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from shem.scripts.testing import Outcome

__all__ = ["junit"]


def junit(outcomes: Sequence[Outcome]) -> bytes:
    """Return the report: one suite for each file, one case for each test."""
    root = Element("testsuites")
    for file, group in groupby(outcomes, key=lambda each: each.file):
        members = list(group)
        suite = SubElement(
            root,
            "testsuite",
            name=file,
            tests=str(len(members)),
            failures=str(sum(bool(each.failure) for each in members)),
            time=f"{sum(each.took_s for each in members):.3f}",
        )
        for each in members:
            case = SubElement(
                suite,
                "testcase",
                name=each.test or "the file itself",
                classname=file,
                file=file,
                line=str(each.line),
                time=f"{each.took_s:.3f}",
            )
            if each.failure:
                message = each.findings[0].cause if each.findings else each.failure
                failure = SubElement(case, "failure", message=_printable(message))
                failure.text = _printable(each.failure)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _printable(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)
