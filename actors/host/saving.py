"""How the resources that a guest holds, and what interfaces keep for it, are saved with a worker.

Each class says it itself, in one line next to the class:

    @saveable("io/timer", "deadline_ns")            its attributes, by name
    @saveable("http/outgoing-body", …, fresh={…})   some attributes are made anew
    @refuses("a connection cannot be saved")        why its worker is brought back by replay

A class that says nothing is refused with its name, and so is an attribute that nobody mentioned:
then replay serves, as it always can. Attributes may hold plain values, other saveable objects, and
lists, tuples, sets and maps of them; what two objects share they share afterwards too, cycles
included. Names stand in saved workers for ever, so they never change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar, final

import msgspec
from msgspec import Struct

from actors.engine.errors import SnapshotRefusedError, SnapshotUnusableError

__all__ = [
    "Saved",
    "StateKey",
    "load",
    "refuses",
    "save",
    "saveable",
    "saveable_struct",
    "saveable_with",
]

_Class = TypeVar("_Class", bound="type[Any]")
_Fresh = Mapping[str, Callable[[], Any]]

_NOTHING: Final[_Fresh] = MappingProxyType({})
_VERSION: Final = 1
# The plain values that MessagePack holds as they are; integers only as far as they fit.
_PLAIN: Final = (type(None), bool, float, str, bytes)
_INTEGER_MIN: Final = -(1 << 63)
_INTEGER_MAX: Final = (1 << 64) - 1


class _Word(Struct, frozen=True):
    """What a class has said."""

    name: str
    class_: type[Any]
    save: Callable[[Any], Any]
    load: Callable[[Any, Any, Any], None]
    fresh: _Fresh = _NOTHING


_words: Final[dict[type[Any], _Word]] = {}
_by_name: Final[dict[str, _Word]] = {}
_structs: Final[dict[str, type[Struct]]] = {}
_struct_names: Final[dict[type[Any], str]] = {}
_reasons: Final[dict[type[Any], str]] = {}


@final
class StateKey:
    """A key of `HostContext.state`. What stands there is saved by the word of its class.

    With `is_transient` it is left out: connections and the like that no handle leads to any more.
    """

    _all: Final[dict[str, "StateKey"]] = {}

    def __init__(self, name: str, *, is_transient: bool = False) -> None:
        assert name not in self._all, f"two keys {name!r}"
        self.name = name
        self.is_transient = is_transient
        self._all[name] = self

    @classmethod
    def named(cls, name: str) -> "StateKey | None":
        """Return the key of that name."""
        return cls._all.get(name)


def saveable(name: str, *attributes: str, fresh: _Fresh = _NOTHING) -> Callable[[_Class], _Class]:
    """Say that an object is its `attributes`; those in `fresh` are made anew by what stands there.

    An object with any other attribute is refused.
    """
    allowed = {*attributes, *fresh}

    def save_attributes(object_: Any) -> Any:
        found = _attributes(object_)
        for attribute in found:
            if attribute not in allowed:
                raise SnapshotRefusedError(
                    f"{type(object_).__name__}.{attribute} is not among what is saved of it"
                )
        return {attribute: found[attribute] for attribute in attributes}

    def load_attributes(object_: Any, state: Any, _given: Any) -> None:
        for attribute in attributes:
            if attribute not in state:
                raise SnapshotUnusableError(f"a saved {name!r} has no {attribute!r}")
            setattr(object_, attribute, state[attribute])

    return saveable_with(name, save=save_attributes, load=load_attributes, fresh=fresh)


def saveable_with(
    name: str,
    *,
    save: Callable[[Any], Any],
    load: Callable[[Any, Any, Any], None],
    fresh: _Fresh = _NOTHING,
) -> Callable[[_Class], _Class]:
    """Say how an object is saved and loaded by two functions.

    `save(object)` returns its state; `load(object, state, given)` fills a blank object, which has
    nothing but its `fresh` attributes; so have, at that time, the objects in its state. `given` is
    what the caller of `load` passed.
    """

    def register(class_: _Class) -> _Class:
        assert name not in _by_name, f"two classes are saved as {name!r}"
        word = _words[class_] = _by_name[name] = _Word(name, class_, save, load, fresh)
        assert word.class_ is class_
        return class_

    return register


def saveable_struct(name: str) -> Callable[[_Class], _Class]:
    """Say that an immutable struct is its fields; who shares one gets a copy afterwards."""

    def register(class_: _Class) -> _Class:
        assert issubclass(class_, Struct)
        assert name not in _structs, f"two structs are saved as {name!r}"
        _structs[name] = class_
        _struct_names[class_] = name
        return class_

    return register


def refuses(reason: str) -> Callable[[_Class], _Class]:
    """Say why objects of a class cannot be saved, as the end of a sentence about the worker."""

    def register(class_: _Class) -> _Class:
        _reasons[class_] = reason
        return class_

    return register


class _Graph(Struct, frozen=True):
    """Objects by number; values refer to them as `["o", number]`."""

    v: int
    objects: list[tuple[str, Any]]
    roots: list[Any]
    state: dict[str, Any]


class Saved(Struct, frozen=True):
    """What was loaded: the objects in the order in which they were saved, and the state."""

    objects: tuple[Any, ...]
    state: dict[object, Any]


_decode = msgspec.msgpack.Decoder(_Graph).decode


def save(objects: Iterable[Any], state: Mapping[object, Any]) -> bytes:
    """Return host objects, with all they lead to, and the state of a worker as bytes.

    Raises:
        SnapshotRefusedError: one of them cannot be saved; the message names it and says why.
    """
    saver = _Saver()
    roots = [saver.value(one) for one in objects]
    kept: dict[str, Any] = {}
    for key, value in state.items():
        if not isinstance(key, StateKey):
            raise SnapshotRefusedError(
                f"a host interface keeps a {type(value).__name__} without saying how it is saved"
            )
        if not key.is_transient:
            kept[key.name] = saver.value(value)
    return msgspec.msgpack.encode(_Graph(_VERSION, saver.objects(), roots, kept))


def load(data: bytes, given: Any = None) -> Saved:
    """Return equals of what was saved. `given` goes to classes that need something from outside.

    Raises:
        SnapshotUnusableError: damaged, or made by a release that knew other classes.
    """
    try:
        return _load(_decode(data), given)
    except SnapshotUnusableError:
        raise
    except Exception as error:
        message = f"saved resources do not load: {type(error).__name__}: {error}"
        raise SnapshotUnusableError(message) from error


def _load(graph: _Graph, given: Any) -> Saved:
    if graph.v != _VERSION:
        raise SnapshotUnusableError(f"saved resources of version {graph.v}, not {_VERSION}")
    loader = _Loader(graph.objects, given)
    state: dict[object, Any] = {}
    for name, value in graph.state.items():
        key = StateKey.named(name)
        if key is None:
            raise SnapshotUnusableError(f"no host interface keeps a state {name!r}")
        state[key] = loader.value(value)
    return Saved(tuple([loader.value(root) for root in graph.roots]), state)


def _attributes(object_: object) -> dict[str, Any]:
    return object_.__dict__


def _class_of(value: object) -> type[Any]:
    return value.__class__


@final
class _Saver:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        # Also keeps them alive, so that no address is used twice.
        self._found: list[Any] = []

    def objects(self) -> list[tuple[str, Any]]:
        """Return all objects that values lead to, directly or not."""
        saved: list[tuple[str, Any]] = []
        # It grows while it is walked.
        for object_ in self._found:
            word = _words[_class_of(object_)]
            saved.append((word.name, self.value(word.save(object_))))
        return saved

    def value(self, value: Any) -> Any:
        kind = _class_of(value)
        if kind in _PLAIN:
            return value
        if kind is int:
            fits = _INTEGER_MIN <= value <= _INTEGER_MAX
            return value if fits else ["i", str(value)]
        if kind in {list, tuple}:
            return ["l" if kind is list else "t", *[self.value(one) for one in value]]
        if kind is dict:
            return ["d", *[[self.value(key), self.value(one)] for key, one in value.items()]]
        if kind in {set, frozenset}:
            items = sorted((self.value(one) for one in value), key=repr)
            return ["s" if kind is set else "f", *items]
        if kind is bytearray:
            return ["b", bytes(value)]
        if kind in _struct_names:
            fields = {name: self.value(getattr(value, name)) for name in kind.__struct_fields__}
            return ["v", _struct_names[kind], fields]
        return ["o", self._number(value)]

    def _number(self, object_: Any) -> int:
        number = self._numbers.get(id(object_))
        if number is None:
            class_ = _class_of(object_)
            if class_ not in _words:
                why = _reasons.get(class_, "it is of a class that does not say how it is saved")
                raise SnapshotRefusedError(f"the worker holds a {class_.__name__}: {why}")
            number = self._numbers[id(object_)] = len(self._found)
            self._found.append(object_)
        return number


@final
class _Loader:
    def __init__(self, objects: Sequence[tuple[str, Any]], given: Any) -> None:
        self._blank: list[Any] = []
        words: list[_Word] = []
        for name, _ in objects:
            word = _by_name.get(name)
            if word is None:
                raise SnapshotUnusableError(f"no resource is saved as {name!r} in this release")
            words.append(word)
            blank: Any = object.__new__(word.class_)
            for attribute, make in word.fresh.items():
                setattr(blank, attribute, make())
            self._blank.append(blank)
        for word, blank, (_, state) in zip(words, self._blank, objects, strict=True):
            word.load(blank, self.value(state), given)

    def value(self, value: Any) -> Any:
        if _class_of(value) is not list:
            return value
        parts: list[Any] = value
        items = parts[1:]
        match parts[0]:
            case "i":
                return int(items[0])
            case "l":
                return [self.value(one) for one in items]
            case "t":
                return tuple([self.value(one) for one in items])
            case "d":
                return {self.value(key): self.value(one) for key, one in items}
            case "s":
                return {self.value(one) for one in items}
            case "f":
                return frozenset([self.value(one) for one in items])
            case "b":
                return bytearray(items[0])
            case "v":
                name, fields = items
                known = {field: self.value(one) for field, one in fields.items()}
                return _structs[name](**known)
            case "o":
                return self._blank[items[0]]
            case kind:
                raise SnapshotUnusableError(f"a saved value of kind {kind!r}")
