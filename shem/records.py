"""What management requests answer with, as users of the client see it."""

from typing import Literal

from msgspec import Struct, field

from wit.world import World

__all__ = [
    "Api",
    "ApiName",
    "Component",
    "ComponentCode",
    "ComponentDescription",
    "ComponentWorkers",
    "CoreModule",
    "Deployed",
    "DeployedRoute",
    "FileEntry",
    "InitialFile",
    "InvocationStatus",
    "OplogEntry",
    "Reindexed",
    "Route",
    "Scheduled",
    "Token",
    "TypedComponent",
    "WorkerError",
    "WorkerStatus",
]


class InitialFile(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A file that every worker of a component finds."""

    path: str
    digest: str
    size: int
    permissions: Literal["ro", "rw"] = "ro"


class Component(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One version of a component. `created_at_ms` is Unix time."""

    name: str
    version: int
    digest: str
    size: int
    created_at_ms: int = 0
    type: Literal["durable", "ephemeral"] = "durable"
    env: dict[str, str] = field(default_factory=dict[str, str])
    files: tuple[InitialFile, ...] = ()
    links: dict[str, str] = field(default_factory=dict[str, str])
    snapshots: str = "auto"
    retry: str = ""
    memory: str = ""
    quota: str = ""
    history: Literal["keep", "archive", "purge"] = "keep"
    sockets: bool = False
    read_only: tuple[str, ...] = ()


class CoreModule(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A core module of a component: bytes of WebAssembly and of compiled code.

    `users` is how many components of the executor that answered run it, this one included.
    """

    digest: str
    size: int
    code_size: int
    users: int


class ComponentCode(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a component consists of and costs, in the executor that answered. Sizes in bytes.

    `shared_size` is the part of `code_size` that other components use, too; `memory_size` is what
    the memories of a new worker take; `instances` and `instances_size` are the workers in memory.
    """

    modules: tuple[CoreModule, ...] = ()
    code_size: int = 0
    shared_size: int = 0
    memory_size: int = 0
    instances: int = 0
    instances_size: int = 0


class ComponentWorkers(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The workers that run a version: how many, how many of them have a snapshot, how large.

    `size` is of the newest snapshots together, in bytes; `took_us_max` how long a guest stood still
    for its own at most; `problems` counts workers whose last snapshot was not taken or not loaded.
    """

    workers: int = 0
    saved: int = 0
    snapshots: int = 0
    size: int = 0
    size_max: int = 0
    took_us_max: int = 0
    problems: int = 0


class ComponentDescription(Struct, frozen=True, kw_only=True):
    """A component version: signatures of its exports, the types they use, names of its imports."""

    component: Component
    exports: tuple[str, ...]
    imports: tuple[str, ...]
    types: tuple[str, ...] = ()
    code: ComponentCode = ComponentCode()
    workers: ComponentWorkers = ComponentWorkers()


class TypedComponent(Struct, frozen=True, kw_only=True):
    """A component version with the types of all its imports and exports."""

    component: Component
    world: World


class Route(Struct, frozen=True, kw_only=True):
    """Requests of a method and a path, and what answers them."""

    method: str
    path: str
    binding: dict[str, object]
    limits: dict[str, object] | None = None
    security: tuple[dict[str, object], ...] | None = None


class Api(Struct, frozen=True, kw_only=True):
    """A version of an HTTP API, as it was defined."""

    id: str
    version: str
    routes: tuple[Route, ...]
    draft: bool = False
    limits: dict[str, object] = field(default_factory=dict[str, object])
    security: tuple[dict[str, object], ...] = ()


class ApiName(Struct, frozen=True):
    """The name of a version of an HTTP API."""

    id: str
    version: str


class DeployedRoute(Struct, frozen=True):
    """A route that gateways serve."""

    api: str
    method: str
    path: str


class Deployed(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What gateways serve at a host. `created_at_ms` is Unix time.

    `outdated` are those of the APIs that were defined otherwise after they were deployed here.
    """

    host: str
    apis: tuple[ApiName, ...]
    routes: tuple[DeployedRoute, ...]
    created_at_ms: int
    outdated: tuple[ApiName, ...] = ()


class Scheduled(Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """An invocation for later. `at_ms` is Unix time, None if only the broker knows.

    `cron` with `zone`, or `every_ms`: it comes again. A `paused` one waits to be resumed.
    """

    component: str
    worker: str
    id: str
    call: str
    key: str | None = None
    at_ms: int | None = None
    cron: str | None = None
    every_ms: int | None = None
    zone: str | None = None
    catch_up: str | None = None
    paused: bool = False


class WorkerError(Struct, frozen=True):
    """Why a worker failed last."""

    kind: str
    message: str


class Reindexed(Struct, frozen=True, kw_only=True):
    """What became of an index that was made anew: rows written, rows taken out, damaged logs."""

    indexed: int = 0
    removed: int = 0
    damaged: tuple[str, ...] = ()


class WorkerStatus(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A worker as its log shows it after entry `index`. Times are Unix time in milliseconds.

    `status` is idle, running, suspended, interrupted, retrying, failed or exited; `pending` counts
    what waits in the mailbox and is only told for a single worker. The newest of its `snapshots`
    stands for the first `snapshot_index` entries; `snapshot_problem` says why none was taken or
    used since. `retry` is the retry policy that an operator chose for this worker.
    """

    worker: str
    status: str
    component: str | None = None
    component_version: int = 0
    created_at_ms: int = 0
    index: int = 0
    invocations: int = 0
    pending: int = 0
    attempt: int = 0
    last_error: WorkerError | None = None
    wake_at_ms: int | None = None
    exit_code: int | None = None
    running_key: str | None = None
    running_function: str | None = None
    snapshots: int = 0
    snapshot_index: int | None = None
    snapshot_size: int | None = None
    snapshot_took_us: int | None = None
    snapshot_problem: str | None = None
    retry: str = ""
    pending_update: int | None = None
    last_update_problem: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])


class InvocationStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an invocation: `state` is pending, running or done.

    A done one has an `error`, or a `result` as JSON, or neither if its function has none.
    """

    key: str
    state: Literal["pending", "running", "done"]
    function: str | None = None
    result: object = None
    error: WorkerError | None = None


class Token(Struct, frozen=True, kw_only=True, rename="kebab"):
    """An API token without its secret. Times are Unix time in milliseconds."""

    id: str
    name: str
    role: Literal["viewer", "operator", "admin"]
    created_at_ms: int
    expires_at_ms: int | None = None


class Secret(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A secret of a component, without its value. `versions`: those that can be read."""

    component: str
    name: str
    versions: tuple[int, ...]
    created_at_ms: int


class FileEntry(Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A file, directory or link of a worker. `modified_ms` is Unix time of the worker."""

    name: str
    type: str
    size: int
    modified_ms: int
    read_only: bool = False
    target: str | None = None


class OplogEntry(Struct, frozen=True):
    """An entry of a worker's log; `entry["type"]` names what it is; `text` if it was asked for."""

    index: int
    entry: dict[str, object]
    text: str | None = None
