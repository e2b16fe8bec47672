"""Programs of the replay-equivalence test that use the golem interfaces."""

from tests.replay.harness import Effect, Row, py

# A durable function of the guest's own, as libraries write them: live it does something and says
# so, at replay it reads what was said.
_DURABLE = """
from wit_world.imports import golem_rpc_types as T

def text(said):
    nodes = T.WitValue([T.WitNode_PrimString(said)])
    return T.ValueAndType(nodes, T.WitType([T.WitTypeNode_PrimStringType()]))

def drawn():
    return os.urandom(4).hex()

def durable(kind, make, typed=False, forced=False):
    begun = durability.begin_durable_function(kind)
    if durability.current_durable_execution_state().is_live:
        level = host.get_oplog_persistence_level()
        host.set_oplog_persistence_level(host.PersistenceLevel_PersistNothing())
        made = make()
        host.set_oplog_persistence_level(level)
        if typed:
            durability.persist_typed_durable_function_invocation(
                'me#typed', text('in'), text(made), kind)
        else:
            durability.persist_durable_function_invocation('me#plain', b'in', made.encode(), kind)
    elif typed:
        found = durability.read_persisted_typed_durable_function_invocation()
        made = found.response.value.nodes[0].value
    else:
        made = durability.read_persisted_durable_function_invocation().response.decode()
    durability.end_durable_function(kind, begun, forced)
    return made
"""

_TOLD = """
here = context.current_context()
state = dict(here.trace_context_headers()).get('tracestate')
attributes = [[a.key, a.value.value] for a in here.get_attributes(False)]
chain = [v.value for v in here.get_attribute_chain('user')]
if 'told' not in globals(): told = []
told.append([[here.trace_id(), here.span_id(), state], attributes, chain])
told[-1]
"""

GOLEM_ROWS = (
    Row(
        name="the own history",
        guest="probe",
        script=(
            py("kept = []; i = host.get_oplog_index(); i", "$i"),
            py(
                "i = host.get_oplog_index(); kept.append(random.get_random_u64())\n"
                "j = host.get_oplog_index()\n"
                "if random.get_random_u64() % 16: host.set_oplog_index(j)\n"
                "kept.append(random.get_random_u64()); [j - i, kept]",
                [2, "$kept"],
            ),
            py(
                "b = host.mark_begin_operation(); kept.append(random.get_random_u64())\n"
                "c = host.mark_begin_operation(); fetch('post', '$HTTP', '/count/a').body\n"
                "host.mark_end_operation(c); host.mark_end_operation(b); kept",
                "$all",
            ),
        ),
        state=(py("[i > 0, kept]", [True, "$all"]),),
        effects={"POST /count/a": (Effect.AGAIN, 1)},
    ),
    Row(
        name="promises",
        guest="probe",
        script=(
            py("p = host.create_promise(); p.oplog_idx > 0", True),
            py("host.poll_promise(p)", None),
            py("host.complete_promise(p, b'one')", True),
            py("host.complete_promise(p, b'two')", False),
            py("[host.await_promise(p), host.poll_promise(p)]", ["one", "one"]),
            py("q = host.create_promise(); host.delete_promise(q)"),
        ),
        state=(py("[host.await_promise(p), p.oplog_idx < q.oplog_idx]", ["one", True]),),
    ),
    Row(
        name="durability chosen by the guest",
        guest="probe",
        script=(
            py(
                "level = host.get_oplog_persistence_level()\n"
                "host.set_oplog_persistence_level(host.PersistenceLevel_PersistNothing())\n"
                "fresh = random.get_random_u64()\n"
                "host.set_oplog_persistence_level(level); drawn = random.get_random_u64(); drawn",
                "$drawn",
            ),
            py(
                "host.set_oplog_persistence_level("
                "host.PersistenceLevel_PersistRemoteSideEffects())\n"
                "local = random.get_random_u64(); p = host.create_promise()\n"
                "polled = host.poll_promise(p); host.set_oplog_persistence_level(level)\n"
                "type(level).__name__",
                "PersistenceLevel_Smart",
            ),
            py("policy = host.get_retry_policy(); policy.max_attempts = 7"),
            py("host.set_retry_policy(policy); host.get_retry_policy().max_attempts", 7),
            py("host.set_idempotence_mode(False); host.get_idempotence_mode()", False),
            py("host.set_idempotence_mode(True); host.oplog_commit(3)"),
            py("key = host.generate_idempotency_key(); [key.high_bits, key.low_bits]", "$key"),
        ),
        state=(
            py(
                "[drawn, key.high_bits, key.low_bits, policy.max_attempts]", ["$drawn", ..., ..., 7]
            ),
            py("[key.high_bits, key.low_bits]", "$key"),
        ),
    ),
    Row(
        name="what is known of workers",
        guest="probe",
        script=(
            py("me = host.get_self_metadata(); [me.worker_id.worker_name, me.status.name]", "$me"),
            py("host.get_worker_metadata(me.worker_id).component_version", 0),
            py("c = host.resolve_component_id('counter'); c == me.worker_id.component_id", True),
            py("host.resolve_component_id('nothing')", None),
            py("host.resolve_worker_id_strict('counter', 'nobody')", None),
            py("host.resolve_worker_id('counter', 'nobody').worker_name", "nobody"),
            py(
                "F = host.WorkerPropertyFilter_Name\n"
                "named = F(host.WorkerNameFilter(host.StringFilterComparator.LIKE, 'w'))\n"
                "any_of = host.WorkerAnyFilter([host.WorkerAllFilter([named])])\n"
                "listing = host.GetWorkers(c, any_of, True)\n"
                "[[w.worker_id.worker_name for w in listing.get_next()], listing.get_next()]",
                [["w"], None],
            ),
        ),
        state=(py("[me.worker_id.worker_name, me.status.name]", "$me"),),
    ),
    Row(
        name="managing other workers",
        guest="probe",
        versions=2,
        script=(
            py(
                "me = host.get_self_metadata().worker_id; W = type(me); C = me.component_id\n"
                "at = host.get_oplog_index(); [me.worker_name, at > 1]",
                ["w", True],
            ),
            # The copy would answer under the same key.
            py(
                "f = host.fork('second').name\n"
                "if f == 'FORKED': host.await_promise(host.create_promise())\n"
                "f",
                "ORIGINAL",
            ),
            py("host.fork_worker(W(C, 'second'), W(C, 'third'), at)"),
            py(
                "R = host.RevertWorkerTarget_RevertLastInvocations\n"
                "host.revert_worker(W(C, 'third'), R(1))"
            ),
            py("host.update_worker(W(C, 'third'), 0, host.UpdateMode.AUTOMATIC)"),
            py(
                "for _ in range(100):\n"
                "    v = host.get_worker_metadata(W(C, 'third')).component_version\n"
                "    if v == 0: break\n"
                "    monotonic_clock.subscribe_duration(100_000_000).block()\n"
                "[v, host.get_worker_metadata(W(C, 'second')).component_version]",
                [0, 1],
            ),
        ),
        state=(py("[f, v]", ["ORIGINAL", 0]),),
    ),
    Row(
        name="logs, spans and durability by the guest",
        guest="probe",
        script=(
            py("me = host.get_self_metadata().worker_id"),
            py(
                "with context.start_span('outer') as a:\n"
                "    a.set_attribute('k', context.AttributeValue_String('v'))\n"
                "    here = context.current_context()\n"
                "    seen = [here.span_id(), here.get_attribute('k', True).value]\n"
                "    seen.append(here.trace_context_headers()[0][1][:3])\n"
                "[len(seen[0]), seen[1:], context.current_context().parent()]",
                [16, ["v", "00-"], None],
            ),
            py(
                "kind = oplog.WrappedFunctionType_WriteRemoteBatched(None)\n"
                "begun = durability.begin_durable_function(kind)\n"
                "if durability.current_durable_execution_state().is_live:\n"
                "    level = host.get_oplog_persistence_level()\n"
                "    host.set_oplog_persistence_level(host.PersistenceLevel_PersistNothing())\n"
                "    drawn = os.urandom(4); host.set_oplog_persistence_level(level)\n"
                "    durability.persist_durable_function_invocation('me#draw', b'', drawn, kind)\n"
                "else:\n"
                "    drawn = durability.read_persisted_durable_function_invocation().response\n"
                "durability.end_durable_function(kind, begun, False)\n"
                "list(drawn)",
                "$drawn",
            ),
            py(
                "lazy = durability.LazyInitializedPollable(); waits = lazy.subscribe()\n"
                "before = waits.ready(); lazy.set(monotonic_clock.subscribe_duration(1000))\n"
                "waits.block(); [before, waits.ready()]",
                [False, True],
            ),
            py(
                "found = []\n"
                "with oplog.SearchOplog(me, 'type:start-span AND outer') as search:\n"
                "    while page := search.get_next(): found += page\n"
                "[type(e).__name__ for _, e in found]",
                ["OplogEntry_StartSpan"],
            ),
            py(
                "with oplog.GetOplog(me, 1) as log: page = log.get_next()\n"
                "[type(page[0]).__name__, page[0].value.worker_id == me]",
                ["OplogEntry_Create", True],
            ),
        ),
        state=(py("[seen[0], list(drawn)]", [..., "$drawn"]),),
    ),
    Row(
        name="durable functions of every kind by the guest",
        guest="probe",
        script=(
            py(_DURABLE),
            py("a = durable(oplog.WrappedFunctionType_ReadLocal(), drawn); a", "$a"),
            py("b = durable(oplog.WrappedFunctionType_ReadRemote(), drawn, typed=True); b", "$b"),
            py("c = durable(oplog.WrappedFunctionType_WriteLocal(), drawn, forced=True); c", "$c"),
            py(
                "def post(): return fetch('post', '$HTTP', '/count/once').body.decode()\n"
                "d = durable(oplog.WrappedFunctionType_WriteRemote(), post, typed=True); d",
                "$d",
            ),
            py(
                "def post_b(): return fetch('post', '$HTTP', '/count/batch').body.decode()\n"
                "kind = oplog.WrappedFunctionType_WriteRemoteBatched(None)\n"
                "begun = durability.begin_durable_function(kind)\n"
                "part = oplog.WrappedFunctionType_WriteRemoteBatched(begun)\n"
                "e = [durable(part, post_b), durable(part, drawn, typed=True)]\n"
                "durability.end_durable_function(kind, begun, True); e",
                "$e",
            ),
            py("durability.observe_function_call('me', 'seen')"),
            py(
                "lazy = durability.LazyInitializedPollable(); one = lazy.subscribe()\n"
                "before = one.ready(); timer = monotonic_clock.subscribe_duration(2000000)\n"
                "lazy.set(timer); poll.poll([one]); [before, one.ready()]",
                [False, True],
            ),
        ),
        state=(py("[a, b, c, d, e]", ["$a", "$b", "$c", "$d", "$e"]),),
        effects={"POST /count/once": (Effect.AGAIN, 1), "POST /count/batch": (Effect.AGAIN, 1)},
    ),
    Row(
        name="spans inside of spans",
        guest="probe",
        script=(
            py(
                "S = context.AttributeValue_String\n"
                "before = context.current_context().trace_id()\n"
                "outer = context.start_span('outer')\n"
                "A = context.Attribute; outer.set_attributes([A('k', S('v')), A('l', S('w'))])\n"
                "inner = context.start_span('inner'); inner.set_attribute('k', S('x'))\n"
                "here = context.current_context(); started = inner.started_at().seconds\n"
                "chain = [v.value for v in here.get_attribute_chain('k')]\n"
                "own = sorted([a.key, a.value.value] for a in here.get_attributes(False))\n"
                "all_ = sorted([a.key, a.value.value] for a in here.get_attributes(True))\n"
                "chains = sorted([c.key, len(c.values)] for c in here.get_attribute_chains())\n"
                "same = here.trace_id() == before; parent = here.parent().span_id()\n"
                "inner.finish(); outer.finish()\n"
                "[chain, own, all_, chains, same, started > 0]",
                [
                    ["x", "v"],
                    [["k", "x"]],
                    [["k", "x"], ["l", "w"]],
                    [["k", 2], ["l", 1]],
                    True,
                    True,
                ],
            ),
            py("[parent, started]", "$p"),
            py(
                "was = context.allow_forwarding_trace_context_headers(False)\n"
                "[was, context.allow_forwarding_trace_context_headers(True)]",
                [True, False],
            ),
        ),
        state=(py("[parent, started]", "$p"),),
    ),
    Row(
        name="the trace and the attributes that an invocation comes with",
        guest="probe",
        script=(
            py(
                _TOLD,
                [["1" * 32, "2" * 16, "a=b"], [["order", "7"], ["user", "eve"]], ["eve"]],
                headers={
                    "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
                    "tracestate": "a=b",
                    "Shem-Attributes": '{"user": "eve", "order": "7"}',
                },
            ),
            py(_TOLD, [["$t", "$s", None], [], []]),
            py("len(told)", 2),
        ),
        state=(py("told[1][0][0]", "$t"),),
    ),
)
