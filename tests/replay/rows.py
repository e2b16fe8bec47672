"""The programs of the replay-equivalence test. Adding an interface is adding rows here."""

from tests.replay.golem_rows import GOLEM_ROWS
from tests.replay.harness import Effect, Row, Step, http, py

# By an engine that may not be there.
JAVASCRIPT = Row(
    name="fetch, timers and randomness of JavaScript",
    guest="web",
    script=(
        Step("post", ("http://$HTTP/echo", "hi"), [200, "$told"]),
        Step("nap", (300,), 1),
        Step("nap", (30_000,), 2),
        Step("roll", (), "$drawn"),
        Step("rolled", (), "$drawn"),
    ),
    state=(Step("rolled", (), "$drawn"),),
    effects={"POST /echo": (Effect.SAME_KEY, 1)},
)

# A guest that breaks rules: told so, with an error in its log where it ends, and replayed alike.
HOSTILE = (
    Row(
        name="paths that lead out",
        guest="probe",
        script=(
            py(
                "root = preopens.get_directories()[0][0]\n"
                "def tried(path):\n"
                "    return caught(root.open_at, fs.PathFlags.SYMLINK_FOLLOW, path, fs.OpenFlags(0), fs.DescriptorFlags.READ).name\n"
                "[tried('../etc/passwd'), tried('/etc/passwd'), tried('tmp/../../etc/passwd')]",
                ["NOT_PERMITTED"] * 3,
            ),
            py(
                "root.symlink_at('../..', 'up'); root.create_directory_at('d'); root.symlink_at('../../etc', 'd/out')"
            ),
            py(
                "[tried('up/etc/passwd'), tried('d/out/passwd'), tried('d/../up/x')]",
                ["NOT_PERMITTED"] * 3,
            ),
            py(
                "[caught(root.symlink_at, '/etc', 'abs').name, caught(root.link_at, fs.PathFlags(0), 'up/x', root, 'y').name]",
                ["NOT_PERMITTED"] * 2,
            ),
            py("root.symlink_at('loop', 'loop'); tried('loop/x')", "LOOP"),
            py(
                "[tried('a' * 300), tried('a/' * 3000), tried('a\\0b'), tried('')]",
                ["NAME_TOO_LONG", "NAME_TOO_LONG", "INVALID", "NO_ENTRY"],
            ),
        ),
        state=(py("tried('up/etc/passwd')", "NOT_PERMITTED"),),
    ),
    Row(
        name="gigabytes and holes",
        guest="probe",
        script=(
            py(
                "f = open('/big', 'wb'); f.truncate(1 << 40); f.close(); os.stat('/big').st_size",
                1 << 40,
            ),
            py(
                "root = preopens.get_directories()[0][0]\n"
                "d = root.open_at(fs.PathFlags(0), 'x', fs.OpenFlags.CREATE, fs.DescriptorFlags.WRITE)\n"
                "[caught(d.set_size, 1 << 62).name, caught(d.write, b'x', 1 << 62).name]",
                ["FILE_TOO_LARGE"] * 2,
            ),
            Step(
                "api/run",
                ("streams_of = stdout.get_stdout(); streams_of.write(b'x' * 70000)",),
                failure="trap",
            ),
        ),
        failures=True,
    ),
    Row(
        name="waiting for nothing",
        guest="probe",
        script=(py("1", 1), Step("api/run", ("poll.poll([])",), failure="trap")),
        failures=True,
    ),
    Row(
        name="descriptors without end",
        guest="probe",
        script=(
            py(
                "root = preopens.get_directories()[0][0]\n"
                "root.create_directory_at('many'); kept = []\n"
                "def again(): kept.append(root.open_at(fs.PathFlags(0), 'many', fs.OpenFlags(0), fs.DescriptorFlags.READ))\n"
                "def all():\n"
                "    while True: again()\n"
                "[caught(all).name, len(kept) > 9000]",
                ["INSUFFICIENT_MEMORY", True],
            ),
            py(
                "for one in kept: one.__exit__(None, None, None)\nkept.clear(); again(); len(kept)",
                1,
            ),
        ),
    ),
    Row(
        name="headers that would be two",
        guest="probe",
        script=(
            py(
                "F = wasi_http.Fields\n"
                "def refused(name, value): return type(caught(F.from_list, [(name, value)])).__name__\n"
                "[refused('a', b'1\\r\\nb: 2'), refused('a\\r\\nb', b'1'), refused('a', b'\\0'), refused('', b'1'), refused('host', b'x')]",
                ["HeaderError_InvalidSyntax"] * 4 + ["HeaderError_Forbidden"],
            ),
            py(
                "o = wasi_http.OutgoingRequest(F())\n"
                "[isinstance(e, Err) for e in ()]\n"
                "def bad(call, *a):\n"
                "    try: call(*a)\n"
                "    except Err: return True\n"
                "    return False\n"
                "[bad(o.set_path_with_query, '/a b\\r\\n'), bad(o.set_authority, 'x\\r\\ny'), bad(o.set_method, wasi_http.Method_Other('G T'))]",
                [True] * 3,
            ),
        ),
    ),
    Row(
        name="servers that never end or break off",
        guest="probe",
        script=(
            py("type(caught(fetch, 'get', '$HTTP', '/cut/10')).__name__", ...),
            py(
                "o = wasi_http.RequestOptions(); o.set_first_byte_timeout(2 * 10**9)\n"
                "type(caught(lambda: fetch('get', '$HTTP', '/hang', options=o))).__name__",
                "ErrorCode_HttpResponseTimeout",
            ),
            py(
                "type(caught(lambda: fetch('get', '127.0.0.1:1', '/'))).__name__",
                "ErrorCode_ConnectionRefused",
            ),
            py(
                "type(caught(lambda: fetch('get', '$HTTP', '/garbage'))).__name__",
                "ErrorCode_HttpProtocolError",
            ),
        ),
        effects={
            "GET /cut/10": (Effect.SAME_KEY, 1),
            "GET /hang": (Effect.SAME_KEY, 1),
            "GET /garbage": (Effect.SAME_KEY, 1),
        },
    ),
)

ROWS = (
    *GOLEM_ROWS,
    Row(
        name="numbers and naps of a C guest",
        guest="load",
        script=(
            Step("add", (5,), 5),
            Step("roll", (), "$drawn"),
            Step("now", (), "$time"),
            Step("nap", (300,), 5),
            Step("nap", (60_000,), 5),
            Step("say", ("hello",)),
            Step("rolled", (), "$drawn"),
        ),
        state=(Step("rolled", (), "$drawn"), Step("get", (), 5)),
    ),
    Row(
        name="clocks and randomness",
        guest="probe",
        script=(
            py("a = [monotonic_clock.now(), time.time(), uuid.uuid4().hex]\na", "$a"),
            py("b = [py_random.random(), os.urandom(4).hex(), random.get_random_u64()]\nb", "$b"),
            py("c = [insecure.get_insecure_random_u64(), insecure_seed.insecure_seed()]\nc", "$c"),
            py("time.sleep(0.05); time.sleep(30); print('slept')", None),
            py("monotonic_clock.now() >= a[0] + 30 * 10**9", True),
        ),
        state=(py("[a, b, c]", ["$a", "$b", "$c"]),),
    ),
    Row(
        name="files",
        guest="probe",
        script=(
            py("os.makedirs('/data/deep'); open('/data/deep/f', 'w').write('one')", 3),
            py("os.stat('/data/deep/f').st_mtime_ns", "$mtime"),
            py("open('/data/deep/f', 'a').write('two'); open('/data/deep/f').read()", "onetwo"),
            py("os.rename('/data/deep/f', '/data/g'); sorted(os.listdir('/data'))", ["deep", "g"]),
            py("os.stat('/data/g').st_mtime_ns", "$appended"),
            py(
                "with zipfile.ZipFile('/tmp/z.zip', 'w') as z: z.write('/data/g')\n"
                "hashlib.sha256(open('/tmp/z.zip', 'rb').read()).hexdigest()",
                "$zip",
            ),
            py("tempfile.mkdtemp()", "$tmp"),
        ),
        state=(
            py("hashlib.sha256(open('/tmp/z.zip', 'rb').read()).hexdigest()", "$zip"),
            py("os.stat('/data/g').st_mtime_ns", "$appended"),
            py("sorted(os.listdir('/tmp'))", ...),
        ),
    ),
    Row(
        name="requests over HTTP",
        guest="probe",
        script=(
            py("fetch('post', '$HTTP', '/count/a').body", "1"),
            py("fetch('post', '$HTTP', '/count/a', body=b'x' * 10000).body", "2"),
            py("r = fetch('get', '$HTTP', '/long/5000')\n[len(r.body), sum(r.body)]", [5000, ...]),
            py("fetch('put', '$HTTP', '/status/404').status", 404),
        ),
        state=(py("[len(r.body), r.trailers[0][0]]", [5000, "x-digest"]),),
        effects={
            "POST /count/a": (Effect.SAME_KEY, 2),
            "GET /long/5000": (Effect.SAME_KEY, 1),
            "PUT /status/404": (Effect.SAME_KEY, 1),
        },
    ),
    Row(
        name="asyncio",
        guest="probe",
        script=(
            py(
                "seen = []\n"
                "async def nap(s):\n"
                "    await asyncio.sleep(s); seen.append(s)\n"
                "async def main():\n"
                "    async with asyncio.TaskGroup() as group:\n"
                "        for s in (0.3, 0.1, 20): group.create_task(nap(s))\n"
                "    try:\n"
                "        async with asyncio.timeout(0.05): await asyncio.sleep(9)\n"
                "    except TimeoutError: seen.append('late')\n"
                "    return len(seen)\n"
                "shem_loop.run(main())",
                4,
            ),
        ),
        state=(py("seen", [0.1, 0.3, 20, "late"]),),
    ),
    Row(
        name="answering HTTP requests",
        guest="probe",
        script=(
            http(
                {
                    "method": "POST",
                    "path-with-query": "/a?b=1",
                    "scheme": "https",
                    "authority": "x.test",
                    "headers": [["a", "1"], ["A", "é"]],
                    "body": {"base64": "aGk="},
                },
                {
                    "ok": {
                        "status": 201,
                        "headers": [
                            ["content-type", "application/json"],
                            ["x-two", "1"],
                            ["x-two", "2"],
                        ],
                        "body": "$first",
                        "trailers": [],
                    }
                },
            ),
            http(
                {"method": "brew"},
                {"ok": {"status": 201, "headers": ..., "body": "$second", "trailers": []}},
            ),
            http(
                {"method": "get", "headers": [["a b", ""]]}, {"err": {"HTTP-protocol-error": None}}
            ),
            py("def handler(request, out): pass"),
            http({"method": "get"}, {"err": {"HTTP-response-incomplete": None}}),
            py(
                "def handler(request, out): wasi_http.ResponseOutparam.set(out, Err(wasi_http.ErrorCode_LoopDetected()))"
            ),
            http({"method": "get"}, {"err": {"loop-detected": None}}),
            py(
                "def handler(request, out):\n"
                "    i = request.consume(); t = wasi_http.IncomingBody.finish(i).get().value.value\n"
                "    r = wasi_http.OutgoingResponse(wasi_http.Fields()); b = r.body()\n"
                "    wasi_http.ResponseOutparam.set(out, Ok(r))\n"
                "    with b.write() as s:\n"
                "        for _ in range(30): s.blocking_write_and_flush(os.urandom(1) * 4000)\n"
                "    wasi_http.OutgoingBody.finish(b, wasi_http.Fields.from_list(t.entries()))\n"
            ),
            http(
                {"method": "get", "trailers": [["x-end", "yes"]]},
                {
                    "ok": {
                        "status": 200,
                        "headers": [],
                        "body": "$long",
                        "trailers": [["x-end", "yes"]],
                    }
                },
            ),
        ),
        state=(py("served", 2),),
    ),
    Row(
        name="running a program",
        guest="probe",
        script=(
            Step("wasi:cli/run.{run}", ({"base64": "b25lCnR3bw=="},), {"ok": None}),
            Step("wasi:cli/run.{run}", (), {"ok": None}),
            py("[type(streams.InputStream).__name__, sys.stdin.read()]", [..., ""]),
        ),
    ),
    Row(
        name="values by key",
        guest="probe",
        script=(
            py("b = kv.open('orders'); b.set('a', b'1'); b.get('a')", "1"),
            py("[b.exists('a'), b.exists('z'), b.get('z')]", [True, False, None]),
            py("[atomics.increment(b, 'n', 5), atomics.increment(b, 'n', -7)]", [5, -2]),
            py("c = atomics.Cas.new(b, 'a'); [c.current(), atomics.swap(c, b'2')]", ["1", None]),
            py(
                "c = atomics.Cas.new(b, 'a'); b.set('a', b'3')\n"
                "e = caught(atomics.swap, c, b'4'); e.value.current()",
                "3",
            ),
            py("batch.set_many(b, [('x', b'7'), ('y', b'8')]); batch.delete_many(b, ['x', 'no'])"),
            py("batch.get_many(b, ['x', 'y'])", [["x", None], ["y", "8"]]),
            py("p = b.list_keys(None); [p.keys, p.cursor]", [["a", "n", "y"], None]),
            py("b.delete('y'); caught(atomics.increment, b, 'a' * 600, 1)", ...),
            py("type(caught(kv.open, '')).__name__", "Error_NoSuchStore"),
        ),
        state=(py("p.keys", ["a", "n", "y"]),),
        bucket={"orders": {"a": "3", "n": "-2"}},
    ),
    Row(
        name="values by key, earlier draft",
        guest="probe",
        script=(
            py(
                "def put(data):\n"
                "    v = kv01.OutgoingValue.new_outgoing_value()\n"
                "    v.outgoing_value_write_body_sync(data); return v\n"
                "b = kv01.Bucket.open_bucket('old'); eventual.set(b, 'k', put(b'one'))"
            ),
            py("i = eventual.get(b, 'k'); [i.incoming_value_size()]", [3]),
            py("[eventual.exists(b, 'k'), eventual.get(b, 'no')]", [True, None]),
            py(
                "v = kv01.OutgoingValue.new_outgoing_value()\n"
                "with v.outgoing_value_write_body_async() as s: s.blocking_write_and_flush(b'two')\n"
                "eventual_batch.set_many(b, [('l', v), ('m', put(b'3'))])"
            ),
            py("sorted(eventual_batch.keys(b))", ["k", "l", "m"]),
            py(
                "got = eventual_batch.get_many(b, ['l', 'no', 'm'])\n"
                "[g and g.incoming_value_consume_sync() for g in got]",
                ["two", None, "3"],
            ),
            py("eventual_batch.delete_many(b, ['l', 'm']); eventual.delete(b, 'k')"),
            py("[atomic.increment(b, 'n', 4), atomic.increment(b, 'n', 4)]", [4, 8]),
            py(
                "[atomic.compare_and_swap(b, 'n', 8, 9), atomic.compare_and_swap(b, 'n', 8, 1)]",
                [True, False],
            ),
            py(
                "eventual.set(b, 'word', put(b'x')); caught(atomic.increment, b, 'word', 1).trace()",
                ...,
            ),
            py("caught(kv01.Bucket.open_bucket, 'x' * 200).trace()", ...),
        ),
        state=(py("i.incoming_value_consume_async().blocking_read(9)", "one"),),
        bucket={"old": {"n": "9", "word": "x"}},
    ),
    Row(
        name="a cache",
        guest="probe",
        script=(
            py(
                "def put(data):\n"
                "    v = kv01.OutgoingValue.new_outgoing_value()\n"
                "    v.outgoing_value_write_body_sync(data); return v\n"
                "f = cache.set('k', put(b'v'), 5000); f.listen_to_future_result().block()\n"
                "isinstance(f.future_result_get(), Ok)",
                True,
            ),
            py("cache.get('k').future_get_result_get().value.incoming_value_consume_sync()", "v"),
            py("cache.exists('k').future_exists_result_get().value", True),
            py(
                "e = cache.get_or_set('k').future_get_or_set_result_get().value\ntype(e).__name__",
                "GetOrSetEntry_Occupied",
            ),
            py("time.sleep(20); cache.exists('k').future_exists_result_get().value", False),
            py(
                "f = cache.get_or_set('k'); f.listen_to_future_get_or_set_result().block()\n"
                "e = f.future_get_or_set_result_get().value\n"
                "e.value.vacancy_fill(None).outgoing_value_write_body_sync(b'filled')\n"
                "cache.get('k').future_get_result_get().value.incoming_value_consume_sync()",
                "filled",
            ),
            py(
                "e = cache.get_or_set('s').future_get_or_set_result_get().value\n"
                "with e.value.vacancy_fill(None).outgoing_value_write_body_async() as s:\n"
                "    s.write(b'str'); s.write(b'eam'); s.blocking_flush()\n"
                "cache.get('s').future_get_result_get().value.incoming_value_consume_sync()",
                "stream",
            ),
            py("isinstance(cache.delete('k').future_result_get(), Ok)", True),
        ),
        state=(py("type(e).__name__", "GetOrSetEntry_Vacant"),),
        bucket={"cache:counter": {"s": "stream"}},
    ),
    Row(
        name="objects in containers",
        guest="probe",
        script=(
            py(
                "def put(c, name, data):\n"
                "    v = blob_types.OutgoingValue.new_outgoing_value()\n"
                "    with v.outgoing_value_write_body() as s:\n"
                "        for i in range(0, len(data), 4096): s.blocking_write_and_flush(data[i:i+4096])\n"
                "    c.write_data(name, v)\n"
                "c = blobstore.create_container('box'); c.name()",
                "box",
            ),
            py(
                "put(c, 'a', b'0123456789'); put(c, 'b', b'x' * 70000); c.get_data('a', 2, 4).incoming_value_consume_sync()",
                "234",
            ),
            py(
                "i = c.get_data('b', 0, 2**64 - 1); [i.size(), len(i.incoming_value_consume_async().blocking_read(2**20))]",
                [70000, 70000],
            ),
            py(
                "n = c.list_objects(); [n.skip_stream_object_names(1), n.read_stream_object_names(9)]",
                [[1, False], [["b"], True]],
            ),
            py(
                "[c.has_object('a'), c.has_object('z'), c.object_info('b').size, c.info().name]",
                [True, False, 70000, "box"],
            ),
            py(
                "D = blob_types.ObjectId\nblobstore.create_container('other')\nblobstore.copy_object(D('box', 'a'), D('other', 'a2'))\nblobstore.move_object(D('other', 'a2'), D('box', 'a3'))\nsorted(c.list_objects().read_stream_object_names(9)[0])",
                ["a", "a3", "b"],
            ),
            py(
                "c.delete_object('a'); c.delete_objects(['a', 'b']); c.list_objects().read_stream_object_names(9)",
                [["a3"], True],
            ),
            py("[caught(c.get_data, 'zz', 0, 1), caught(blobstore.get_container, 'none')]", ...),
            py(
                "o = blobstore.get_container('other'); put(o, 'k', b''); o.clear(); o.list_objects().read_stream_object_names(1)",
                [[], True],
            ),
            py(
                "blobstore.delete_container('other'); [blobstore.container_exists('other'), blobstore.container_exists('box')]",
                [False, True],
            ),
        ),
        state=(
            py("i.size()", 70000),
            py("c.get_data('a3', 0, 3).incoming_value_consume_sync()", "0123"),
        ),
    ),
    Row(
        name="sockets without the permission",
        guest="probe",
        script=(
            py(
                "caught(tcp_create_socket.create_tcp_socket, network.IpAddressFamily.IPV4).name",
                "ACCESS_DENIED",
            ),
            py(
                "try: urllib.request.urlopen('http://127.0.0.1:1/')\n"
                "except OSError as e: told = type(e).__name__\n"
                "told",
                ...,
            ),
        ),
    ),
    Row(
        name="urllib over sockets",
        guest="probe",
        script=(
            py(
                # What a program for networks does: it tries again when a connection breaks.
                "def get(path, data=None):\n"
                "    for _ in range(3):\n"
                "        try: return json.load(urllib.request.urlopen('http://$HTTP' + path, data, timeout=60))\n"
                "        except OSError: pass\n"
                "get('/echo/one')['what']",
                "GET /echo/one",
            ),
            py("get('/echo/two', b'hello')['body']", "hello"),
        ),
        state=(py("1", 1),),
        effects={"GET /echo/one": (Effect.AGAIN, 1), "POST /echo/two": (Effect.AGAIN, 1)},
        options={"settings": {"sockets": True}},
    ),
    Row(
        name="datagrams and names",
        guest="probe",
        script=(
            py(
                "a, b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "a.bind(('127.0.0.1', 0)); b.bind(('127.0.0.1', 0)); b.settimeout(5)\n"
                "def told():\n"
                "    for _ in range(5):\n"
                "        a.sendto(b'ping', b.getsockname())\n"
                "        try: return b.recvfrom(100)[0]\n"
                "        except OSError: pass\n"
                "told()",
                "ping",
            ),
            py(
                "r = socket.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM)[0][4]\nlist(r)",
                ["127.0.0.1", 80],
            ),
            py("sorted({one[4][0] for one in socket.getaddrinfo('localhost', 80)})", "$names"),
        ),
        options={"settings": {"sockets": True}},
    ),
)
