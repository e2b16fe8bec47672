"""The chat example as people see it: two browsers, one worker."""

import asyncio
import functools
import http.server
import json
import threading

import pytest

from tests.integration.clients.browser import NAMES, PROGRAM, browser
from tests.support.system import ROOT

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(PROGRAM is None, reason=f"there is none of {', '.join(NAMES)}"),
]


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def pages():
    """The example's page, served as its README says."""
    handler = functools.partial(Handler, directory=str(ROOT / "examples" / "chat"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def lines(text):
    shown = "[...document.querySelectorAll('#said li')].map(each => each.textContent)"
    return f"{shown}.filter(each => each === {json.dumps(text)}).length === 1"


async def say(page, text):
    await page.run(
        f"document.querySelector('#text').value = {json.dumps(text)};"
        "document.querySelector('form').requestSubmit()"
    )


def test_two_browsers_talk_and_come_back_after_a_break(system, pages, tmp_path):
    async def talk():
        gateway = system.http_url.removeprefix("http://")
        url = f"{pages}/?gateway={gateway}%26room=browsers".replace("%26", "&")
        async with browser(tmp_path) as chromium:
            ann = await chromium.open(url)
            await ann.until(lines("guest 1 is here"))
            bob = await chromium.open(url)
            await ann.until(lines("guest 2 is here"))
            await say(ann, "/name Ann")
            await say(ann, "hello")
            await bob.until(lines("guest 1 is Ann now"))
            await bob.until(lines("Ann: hello"))
            await bob.run("window.chat.cut()")
            await say(ann, "are you there?")
            await bob.until(lines("Ann: are you there?"))
            killing = asyncio.create_task(asyncio.to_thread(system.kill, "gateway"))
            await say(bob, "all the time")
            await killing
            await ann.until(lines("guest 2: all the time"))
            await bob.until(lines("guest 2: all the time"))
            await bob.run("window.chat.leave()")
            await ann.until(lines("guest 2 is gone"))

    asyncio.run(talk())
