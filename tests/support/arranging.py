"""In which order tests run, and which of them in one process.

What shares a system or another costly fixture is run by one worker of pytest-xdist, so that it is
started once: the tests of a file, and some folders. What takes long comes first. At the end there
are files of milliseconds, and all workers end together.
"""

from typing import Any, Final, final

from xdist.scheduler import LoadScopeScheduling

__all__ = ["Arranged", "rank"]

# Beginnings of paths: what shares one fixture of the session, or one engine.
_TOGETHER: Final = {
    "tests/integration/clients/": "clients",
    "tests/integration/gateway/test_bindings.py": "gateways of Python guests",
    "tests/integration/gateway/test_shop.py": "gateways of Python guests",
    "tests/integration/rest/": "rest",
    "tests/integration/test_compose.py": "docker",
    "tests/integration/test_docker.py": "docker",
}
# Beginnings of paths, the longest runs first; of several that fit the longest one counts.
_ORDER: Final = (
    "tests/integration/shem/test_languages.py",
    "tests/replay/",
    "tests/integration/",
    "tests/contract/",
    "tests/simulation/",
    # Their systems run until the end, and idle ones take their share of the processor.
    "tests/integration/gateway/",
    "tests/integration/rest/",
    "tests/integration/clients/",
    "tests/golden/",
    "tests/",
)


def rank(test: str) -> int:
    """Return the place of a test, by its id, among all: lower ones begin earlier."""
    fitting = [begin for begin in _ORDER if test.startswith(begin)]
    return _ORDER.index(max(fitting, key=len)) if fitting else len(_ORDER)


@final
class Arranged(LoadScopeScheduling):
    """Hands out files and folders in the order of collection."""

    def __init__(self, config: Any, log: Any) -> None:
        # Otherwise the files with the most tests come first, which are the quickest ones.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        """Return what the test is run together with."""
        found = (name for begin, name in _TOGETHER.items() if nodeid.startswith(begin))
        return next(found, nodeid.partition("::")[0])
