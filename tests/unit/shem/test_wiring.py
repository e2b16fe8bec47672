"""Components that are tested together call each other as their clients say."""

import wasmtime

from shem.scripts.wiring import wired


def component(*, imports: str = "", exports: str = "") -> bytes:
    parts = [f'(import "{imports}" (instance))'] if imports else []
    parts += [f'(instance $i) (export "{exports}" (instance $i))'] if exports else []
    return bytes(wasmtime.wat2wasm(f"(component {' '.join(parts)})"))


def test_a_client_is_served_by_the_package_that_it_is_named_after() -> None:
    caller = component(imports="demo:counter-client/counter-client", exports="demo:rpc/api")
    counter = component(exports="demo:counter/api")

    found = wired({"rpc": caller, "counter": counter})

    assert list(found.items()) == [
        ("counter", {}),
        ("rpc", {"demo:counter-client/counter-client": "counter"}),
    ]


def test_what_serves_nobody_here_and_what_is_no_component_are_left_alone() -> None:
    caller = component(imports="demo:other-client/other-client")

    assert wired({"a": caller, "b": b"text"}) == {"a": {}, "b": {}}


def test_components_that_call_each_other_keep_their_order() -> None:
    one = component(imports="demo:two-client/c", exports="demo:one/api")
    two = component(imports="demo:one-client/c", exports="demo:two/api")

    assert list(wired({"one": one, "two": two})) == ["one", "two"]
