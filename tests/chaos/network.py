"""A network of its own for each broker, on one bridge, so that they can be parted from each other.

Executors and clients stay outside and reach every broker all the time. What one broker sends to
another is lost by giving it a hardware address for the other that nobody has: silently, in one
direction, and connections that stand go on standing, as when a cable is pulled somewhere between.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final, final

__all__ = ["Network", "own_network"]

_NOWHERE: Final = "02:00:00:00:00:fe"
_NETWORKS: Final = 250


@final
class Network:
    """Namespaces on a bridge, one for each broker."""

    def __init__(self, count: int) -> None:
        # Runs side by side have a network each.
        number = os.getpid()
        self._outside = f"sb{number}"
        # The bridge is not where we are: what filters packets here would filter its, too.
        self._switch = f"shem-{number}-switch"
        self._prefix = f"10.{100 + number // _NETWORKS % 100}.{number % _NETWORKS}"
        self._spaces = [f"shem-{number}-{index}" for index in range(count)]

    def address(self, index: int) -> str:
        """Return where a broker is reached, from everywhere."""
        return f"{self._prefix}.{index + 1}"

    def within(self, index: int, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` in the network of a broker."""
        return ["nsenter", f"--net=/var/run/netns/{self._spaces[index]}", *command]

    def lose(self, sender: int, receiver: int) -> None:
        """Lose all that a broker sends to another one."""
        self._neighbour("replace", sender, receiver)

    def heal(self) -> None:
        """Let everything through again."""
        for sender in range(len(self._spaces)):
            for receiver in range(len(self._spaces)):
                if sender != receiver:
                    self._neighbour("del", sender, receiver)

    def make(self) -> None:
        """Make it.

        Raises:
            subprocess.CalledProcessError: that is not possible here.
        """
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "bridge", "up")
        self._plug_in(self._outside, "outside")
        _ip("addr", "add", f"{self._prefix}.254/24", "dev", self._outside)
        _ip("link", "set", self._outside, "up")
        for index, space in enumerate(self._spaces):
            inner = f"{self._outside}w{index}"
            _ip("netns", "add", space)
            self._plug_in(inner, f"port{index}")
            _ip("link", "set", inner, "netns", space, "name", "eth0")
            _ip("-n", space, "addr", "add", f"{self.address(index)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", space, "link", "set", device, "up")

    def remove(self) -> None:
        """Remove what is there of it."""
        spaces = (("netns", space) for space in (*self._spaces, self._switch))
        for what in (("link", self._outside), *spaces):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(what[0], "del", what[1])

    def _plug_in(self, device: str, port: str) -> None:
        """Make a device that is connected with a port of the bridge."""
        _ip("link", "add", device, "type", "veth", "peer", "name", f"{device}p")
        _ip("link", "set", f"{device}p", "netns", self._switch, "name", port)
        _ip("-n", self._switch, "link", "set", port, "master", "bridge", "up")

    def _neighbour(self, verb: str, sender: int, receiver: int) -> None:
        known = ["lladdr", _NOWHERE, "nud", "permanent"] if verb == "replace" else []
        with contextlib.suppress(subprocess.CalledProcessError):
            # One that is not there cannot be removed.
            _ip(
                *("-n", self._spaces[sender], "neigh", verb, self.address(receiver)),
                *(*known, "dev", "eth0"),
            )


@contextlib.contextmanager
def own_network(count: int) -> Generator[Network | None]:
    """Make a network of `count` brokers for a while; None: that is not possible here."""
    network = Network(count)
    can = os.geteuid() == 0 and shutil.which("ip") is not None and shutil.which("nsenter")
    made = False
    try:
        if can:
            with contextlib.suppress(subprocess.CalledProcessError):
                network.make()
                made = True
        yield network if made else None
    finally:
        if can:
            network.remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, cwd=Path("/"))
