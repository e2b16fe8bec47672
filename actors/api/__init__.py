"""The management service: request and reply on `shem.api.*.*` and `shem.call.*.*`.

One file per noun. Reads logs and buckets; never touches a worker in memory, so any executor can
answer for all of them.
"""

from actors.api.call import CallService
from actors.api.component import ComponentApi
from actors.api.discovery import Discovery
from actors.api.executor import ExecutorApi
from actors.api.invocation import InvocationApi
from actors.api.secrets import SecretApi
from actors.api.service import ApiService
from actors.api.worker import WorkerApi
from actors.errors import ApiError
from actors.statuses import Statuses

__all__ = [
    "ApiError",
    "ApiService",
    "CallService",
    "ComponentApi",
    "Discovery",
    "ExecutorApi",
    "InvocationApi",
    "SecretApi",
    "Statuses",
    "WorkerApi",
]
