"""The examples of docs/guide/wit.md run, one after the other."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "guide" / "wit.md").read_text(encoding="utf-8")


def test_the_examples_of_the_guide_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 8
    names = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"example {number}", "exec"), names)
    assert names["report"].changes
