"""Programs of the replay-equivalence test that use the golem interfaces."""

from tests.replay.harness import Effect, Row, py

GOLEM_ROWS = (
    Row(
        name="the own history",
        guest="probe",
        script=(
            py("kept = []; i = host.get_oplog_index(); i", "$i"),
            py(
                "i = host.get_oplog_index(); kept.append(random.get_random_u64())\n"
                "j = host.get_oplog_index()\n"
                "if random.get_random_u64() % 2: host.set_oplog_index(j)\n"
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
)
