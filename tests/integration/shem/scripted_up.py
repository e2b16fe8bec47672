"""`shem up` with scripted executors: DIRECTORY READY_FILE [EXECUTORS [NATS_URL]]."""

import asyncio
import sys
from pathlib import Path

from broker.embedded import Fsync
from shem import logging
from shem.connection import Connection
from shem.server import Server, ServerOptions

if __name__ == "__main__":
    directory, ready_file, executors, *url = sys.argv[1:]
    logging.set_up("info")
    options = ServerOptions(
        data_dir=Path(directory),
        ready_file=Path(ready_file),
        executors=int(executors),
        nats_port=0,
        fsync=Fsync.INTERVAL,
        connection=Connection(url=url[0]) if url else None,
        executor_command=(sys.executable, str(Path(__file__).with_name("scripted_executor.py"))),
    )
    asyncio.run(Server(options).run())
