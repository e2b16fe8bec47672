"""The management service: request and reply on `shem.api.*.*` and `shem.call.*.*`.

One file per noun. Reads logs and buckets; never touches a worker in memory, so any executor can
answer for all of them.
"""

from actors.api.call import CallService
from actors.api.component import ComponentApi
from actors.api.errors import ApiError
from actors.api.executor import ExecutorApi
from actors.api.service import ApiService
from actors.api.statuses import Statuses
from actors.api.worker import WorkerApi

__all__ = [
    "ApiError",
    "ApiService",
    "CallService",
    "ComponentApi",
    "ExecutorApi",
    "Statuses",
    "WorkerApi",
]
