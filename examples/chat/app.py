"""A chat room is a worker: its members are clients that it holds, its memory is a dictionary."""

import json
from dataclasses import dataclass

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.clients import Client

HISTORY = 20


@dataclass
class Member:
    client: Client
    name: str


members: dict[str, Member] = {}
history: list[dict] = []
guests = 0


class Api(exports.Api):
    def opened(self, who: Client) -> None:
        global guests  # noqa: PLW0603 - a worker's memory is what it is all about
        guests += 1
        member = members[who.id()] = Member(who, f"guest {guests}")
        for said in history:
            tell(member, said)
        tell_all({"joined": member.name})

    def said(self, who: Client, message: str) -> None:
        member = members.get(who.id())
        if member is None:
            return
        if message.startswith("/name "):
            before, member.name = member.name, message.removeprefix("/name ").strip()[:40]
            tell_all({"renamed": before, "name": member.name})
        else:
            said = {"from": member.name, "says": message}
            history.append(said)
            del history[:-HISTORY]
            tell_all(said)

    def left(self, who: Client) -> None:
        member = members.pop(who.id(), None)
        if member is not None:
            tell_all({"left": member.name})

    def announce(self, text: str) -> int:
        tell_all({"announced": text})
        return len(members)

    def members(self) -> list[str]:
        return [each.name for each in members.values()]


def tell_all(what: dict) -> None:
    for member in list(members.values()):
        tell(member, what)


def tell(member: Member, what: dict) -> None:
    try:
        member.client.send_text(json.dumps(what))
    except Err:
        # Gone: `left` will say so, or has said so already.
        members.pop(member.client.id(), None)
