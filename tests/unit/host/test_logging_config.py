"""wasi:logging and wasi:config."""

from actors.engine.port import HostCall
from actors.host.resolver import TableResolver
from wit.types import FunctionType
from wit.values import ok, some


def test_a_line_keeps_its_level_and_context(context, call):
    assert call(context, "wasi:logging/logging#log", "warn", "shop", "sold out") is None
    assert context.lines == [("warn", "shop", "sold out")]


def test_logging_is_imported_with_and_without_a_version():
    resolver = TableResolver(lambda function, _type, _name: HostCall(run=function.run))
    for interface in ("wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"):
        assert resolver.function(interface, "log", FunctionType(parameters=())) is not None
    assert resolver.function("wasi:logging/logging@0.1.0", "log", FunctionType(())) is None


def test_a_worker_is_configured_by_its_environment(new_context, call):
    context = new_context(environment=[("a", "1"), ("b", "")])
    assert call(context, "wasi:config/store#get", "a") == ok(some("1"))
    assert call(context, "wasi:config/store#get", "b") == ok(some(""))
    assert call(context, "wasi:config/store#get", "c") == ok(None)
    assert call(context, "wasi:config/store#get-all") == ok([("a", "1"), ("b", "")])


def test_a_secret_has_a_key_of_its_own_and_is_not_listed(new_context, call):
    context = new_context(environment=[("secret:known", "not this")])
    assert call(context, "wasi:config/store#get", "secret:known") == ok(some("hidden"))
    assert call(context, "wasi:config/store#get", "secret:other") == ok(None)
    assert call(context, "wasi:config/store#get", "known") == ok(None)
