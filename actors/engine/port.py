"""What the executor asks of a component runtime.

Values are those of `wit.values`. A host function gets the instance's `data` object first, then its
arguments. Exceptions raised by host functions, `BaseException` included, end the guest's call and
come out of `Instance.call` as the same object; the instance is poisoned then, only good to close.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from wit.types import FunctionType, ResourceName
from wit.values import Value
from wit.world import Function, World

__all__ = [
    "CodeReport",
    "Component",
    "Engine",
    "EngineReport",
    "HostCall",
    "HostResolver",
    "Instance",
    "InstanceImage",
    "Limits",
    "ModuleReport",
    "Pace",
    "Program",
    "Progress",
    "SharedCode",
]


Pace: TypeAlias = Callable[[], Awaitable[None]]


class HostCall(Struct, frozen=True):
    """How one imported function is implemented.

    `run(data, *arguments)` returns the result; with `blocking` it returns an awaitable of the
    result and the guest waits on its fiber, so that other workers go on.
    """

    run: Callable[..., Any]
    blocking: bool = False


class HostResolver(Protocol):
    """Finds implementations for a component's imports."""

    def function(self, interface: str | None, name: str, type_: FunctionType) -> HostCall | None:
        """Return the implementation of an import, or None if the host has none."""
        ...

    def drop(self, resource: ResourceName) -> Callable[[Any, Any], None] | None:
        """Return `drop(data, object)`, called when the guest drops its last own handle."""
        ...


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one instance."""

    memory_bytes_max: int = 1 << 30
    table_elements_max: int = 1_000_000


class Progress(Protocol):
    """Told how compilation goes on."""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` core modules are ready."""
        ...


class InstanceImage(Struct, frozen=True):
    """A saved instance: bytes, and the host's objects that its handles stand for, in their order.

    `data` says nothing about the objects: whoever saves it saves them too.
    """

    data: bytes
    objects: tuple[Any, ...] = ()


class Instance(Protocol):
    """One running component instance: a store of its own. Belongs to one event loop."""

    @property
    def memory_bytes(self) -> int:
        """The size of all its linear memories."""
        ...

    def forget_refusals(self) -> None:
        """Say that a trap from here on has nothing to do with memories that did not grow before."""
        ...

    @property
    def busy_s(self) -> float:
        """How long its guest code and the host functions it called have run, waits left out.

        What replaying its calls would take, more or less.
        """
        ...

    def save(self) -> InstanceImage:
        """Return the whole state of an idle instance, which stays as it is and usable.

        Raises:
            SnapshotRefusedError: it is in a call, or holds what cannot be saved, with the reason.
        """
        ...

    def adopt(self, resource: int, representation: int) -> object:
        """Return the host's object for a resource of the guest that it held when it was saved.

        Raises:
            SnapshotUnusableError: no resource type of this component.
        """
        ...

    async def call(self, function: Function, arguments: Sequence[Value]) -> Value:
        """Call an export; None for functions without result.

        Guest code runs in slices, so the loop stays responsive under an endless loop. Cancelling
        the task abandons the guest wherever it is.

        Raises:
            ValueMismatchError: an argument does not fit its type; nothing has run.
            GuestTrap: the guest trapped, or broke the canonical ABI.
            BaseException: whatever a host function raised.
        """
        ...

    async def drop(self, resource: Any) -> None:
        """Drop an owned resource of the guest, running its destructor.

        Raises:
            ValueError: it is gone, borrowed, or of another instance.
            GuestTrap: the destructor trapped.
        """
        ...

    def close(self) -> None:
        """Free everything. Idempotent; allowed in any state but during its own running slice."""
        ...


class Program(Protocol):
    """A component linked with host functions, ready to be instantiated many times."""

    async def instantiate(
        self, data: object, limits: Limits, *, pace: Pace | None = None
    ) -> Instance:
        """Make an instance; `data` is handed to host functions.

        `pace` is awaited whenever a slice of running time is over, by default to let others run: a
        guest that produces faster than its output can be stored is held back there.

        Raises:
            GuestTrap: a start function trapped, or the limits are too small.
        """
        ...

    async def restore(
        self, data: object, limits: Limits, image: InstanceImage, *, pace: Pace | None = None
    ) -> Instance:
        """Make an instance that goes on where a saved one was; its start functions do not run.

        `image.objects` must be equals of those that were saved, in the same order.

        Raises:
            SnapshotUnusableError: the bytes are damaged, or were saved of another component or
                under another configuration.
            GuestTrap: the limits are too small.
        """
        ...


class ModuleReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A core module of a component: sizes in bytes, as WebAssembly and compiled.

    `users` is how many of the components loaded by this engine run it, this one included.
    """

    digest: str
    size: int
    code_size: int
    users: int


class CodeReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a component consists of, and costs, in this engine. Sizes in bytes.

    `memory_size` is what a new instance's linear memories take, before it allocates; `instances`
    and `instances_size` are those that live now.
    """

    modules: tuple[ModuleReport, ...] = ()
    memory_size: int = 0
    instances: int = 0
    instances_size: int = 0

    @property
    def code_size(self) -> int:
        """Compiled code of all modules, each counted once."""
        return sum(module.code_size for module in self.modules)

    @property
    def shared_size(self) -> int:
        """The part of it that other components use, too."""
        return sum(module.code_size for module in self.modules if module.users > 1)


class EngineReport(Struct, frozen=True, kw_only=True):
    """What one engine has done since it was made, and holds now.

    Core modules were `compiled` here, `read` from the directory, or `adopted` from the deployment;
    `reused` counts those that were in memory already. `code_size` is the compiled code in memory in
    bytes, each module once; `instances` are those that are open.
    """

    compiled: int
    read: int
    adopted: int
    reused: int
    code_size: int
    instances: int


class Component(Protocol):
    """A validated and compiled component."""

    @property
    def code(self) -> CodeReport:
        """What it consists of, and costs."""
        ...

    @property
    def world(self) -> World:
        """Its imports and exports."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, in hex."""
        ...

    def link(self, resolver: HostResolver) -> Program:
        """Bind all imports.

        Raises:
            MissingImportsError: names every import that the host has no implementation for.
        """
        ...


class SharedCode(Protocol):
    """What engines of one deployment have compiled, by name.

    It is native code and pickles: whoever can write here controls every executor. Neither method
    raises; failing is like having nothing.
    """

    async def get(self, name: str) -> bytes | None:
        """Return what is stored under that name, if anything."""
        ...

    async def put(self, name: str, data: bytes) -> None:
        """Store something."""
        ...


class Engine(Protocol):
    """Compiles components."""

    async def load(self, data: bytes, *, progress: Progress | None = None) -> Component:
        """Validate and compile off the event loop; compiled modules are cached by content on disk.

        Raises:
            ComponentError: no component, malformed, or using what this engine refuses (async
                built-ins, WASI 0.3), with the place.
        """
        ...

    def close(self) -> None:
        """Stop its threads."""
        ...
