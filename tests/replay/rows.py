"""The programs of the replay-equivalence test. Adding an interface is adding rows here."""

from pathlib import Path

from tests.replay.body_rows import BODY_ROWS
from tests.replay.golem_rows import GOLEM_ROWS
from tests.replay.harness import Effect, Row, Step, http, py
from tests.replay.program_rows import PROGRAM_ROWS

# By an engine that may not be there.
JAVASCRIPT = Row(
    name="fetch, timers and randomness of JavaScript",
    guest="js",
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

# What wasmtime's own host answers, see `tests/integration/test_preview1.py`.
TRANSCRIPT = (Path(__file__).parents[1] / "golden" / "preview1" / "transcript.txt").read_text()

ROWS = (
    *BODY_ROWS,
    *GOLEM_ROWS,
    *PROGRAM_ROWS,
    Row(
        name="all of WASI preview 1",
        guest="preview1",
        script=(Step("transcript", (), TRANSCRIPT),),
        state=(Step("transcript", (), TRANSCRIPT),),
    ),
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
        name="messages to connected clients",
        guest="probe",
        script=(
            py(
                "c, no = clients.Client('ann'), clients.Client('nobody')\n"
                "[c.id(), c.is_open(), no.is_open()]",
                ["ann", True, False],
            ),
            py("for n in range(3): c.send_text(str(n))\nclients.Client('bob').send_text('hi')"),
            py("c.send_binary(b'two'); c.send(clients.Message_Text('three'))"),
            py("type(caught(no.send_text, 'x')).__name__", "SendError_Gone"),
            py("caught(c.send_text, 'x' * 300_000).value", 262_144),
            py("type(caught(c.close, 99, '')).__name__", "SendError_BadCode"),
            py("c.close(3001, 'bye')"),
        ),
        state=(py("[c.id(), type(no).__name__]", ["ann", "Client"]),),
        clients={
            "ann": [
                *({"text": str(n)} for n in range(3)),
                {"binary": "dHdv"},
                {"text": "three"},
                {"close": 3001, "reason": "bye"},
            ],
            "bob": [{"text": "hi"}],
        },
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
    Row(
        name="streams in every way",
        guest="probe",
        script=(
            py(
                "root = preopens.get_directories()[0][0]\n"
                "open('/s', 'wb').write(bytes(range(100)))\n"
                "R, W = fs.DescriptorFlags.READ, fs.DescriptorFlags.WRITE\n"
                "def at(name, flags=R, how=fs.OpenFlags(0)): return root.open_at(fs.PathFlags(0), name, how, flags)\n"
                "i = at('s').read_via_stream(0)\n"
                "[i.skip(2), i.blocking_skip(3), list(i.read(2)), list(i.blocking_read(1)), i.subscribe().ready()]",
                [2, 3, [5, 6], [7], True],
            ),
            py(
                "o = at('o', W, fs.OpenFlags.CREATE).write_via_stream(0)\n"
                "o.write_zeroes(2); o.blocking_write_zeroes_and_flush(1); o.flush()\n"
                "[o.splice(i, 3), o.blocking_splice(i, 2), list(open('/o', 'rb').read())]",
                [3, 2, [0, 0, 0, 8, 9, 10, 11, 12]],
            ),
            py(
                "e = caught(at('o', W).write_via_stream(1 << 62).blocking_write_and_flush, b'x').value\n"
                "[isinstance(e.to_debug_string(), str), fs.filesystem_error_code(e).name]",
                [True, "FILE_TOO_LARGE"],
            ),
            py("type(caught(at('s').read_via_stream(100).read, 1)).__name__", "StreamError_Closed"),
            py("with stderr.get_stderr() as o: o.blocking_write_and_flush(b'to stderr')"),
            py(
                "[len(insecure.get_insecure_random_bytes(5)), wall_clock.resolution().seconds, environment.initial_cwd()]",
                [5, 0, ...],
            ),
        ),
        state=(py("list(open('/o', 'rb').read())[3:]", [8, 9, 10, 11, 12]),),
    ),
    Row(
        name="descriptors in every way",
        guest="probe",
        script=(
            py(
                "root = preopens.get_directories()[0][0]\n"
                "d = root.open_at(fs.PathFlags(0), 'f', fs.OpenFlags.CREATE, fs.DescriptorFlags.READ | fs.DescriptorFlags.WRITE)\n"
                "d.write(b'hello', 0); d.advise(0, 5, fs.Advice.SEQUENTIAL); d.sync(); d.sync_data()\n"
                "[d.get_type().name, fs.DescriptorFlags.WRITE in d.get_flags(), *d.read(3, 1), d.is_same_object(d), d.is_same_object(root)]",
                ["REGULAR_FILE", True, "ell", False, True, False],
            ),
            py(
                "T = fs.NewTimestamp_Timestamp(wall_clock.Datetime(5, 6)); N = fs.NewTimestamp_NoChange()\n"
                "d.set_times(T, N); root.set_times_at(fs.PathFlags(0), 'f', fs.NewTimestamp_Now(), T)\n"
                "[d.stat().data_modification_timestamp.seconds, d.stat().data_access_timestamp.seconds > 5]",
                [5, True],
            ),
            py(
                "root.symlink_at('f', 'l'); root.create_directory_at('dir'); root.remove_directory_at('dir'); root.readlink_at('l')",
                "f",
            ),
            py(
                "[caught(root.readlink_at, 'f').name, caught(root.remove_directory_at, 'f').name, caught(d.read_directory).name]",
                ["INVALID", "NOT_DIRECTORY", "NOT_DIRECTORY"],
            ),
            py(
                "h = d.metadata_hash(); g = root.metadata_hash_at(fs.PathFlags(0), 'f'); [h.lower == g.lower, h.upper == g.upper]",
                [True, True],
            ),
        ),
        state=(
            py(
                "[d.stat().data_modification_timestamp.nanoseconds, d.read(9, 0)]",
                [6, ["hello", True]],
            ),
        ),
    ),
    Row(
        name="fields, requests and options",
        guest="probe",
        script=(
            py(
                "f = wasi_http.Fields.from_list([('a', b'1'), ('A', b'2')])\n"
                "f.append('b', b'3'); f.set('c', [b'4', b'5']); f.delete('b'); g = f.clone()\n"
                "[f.get('a'), f.has('b'), len(g.entries())]",
                [["1", "2"], False, 4],
            ),
            py(
                "o = wasi_http.OutgoingRequest(f); o.set_path_with_query('/x?y'); o.set_authority('h:1')\n"
                "o.set_method(wasi_http.Method_Other('BREW')); o.set_scheme(wasi_http.Scheme_Http())\n"
                "[o.method().value, o.path_with_query(), type(o.scheme()).__name__, o.authority(), len(o.headers().entries())]",
                ["BREW", "/x?y", "Scheme_Http", "h:1", 4],
            ),
            py("type(caught(o.headers().append, 'x', b'1')).__name__", "HeaderError_Immutable"),
            py(
                "t = wasi_http.RequestOptions(); t.set_connect_timeout(1); t.set_first_byte_timeout(2); t.set_between_bytes_timeout(3)\n"
                "[t.connect_timeout(), t.first_byte_timeout(), t.between_bytes_timeout()]",
                [1, 2, 3],
            ),
            py(
                "r = wasi_http.OutgoingResponse(wasi_http.Fields()); [r.status_code(), r.headers().entries()]",
                [200, []],
            ),
            py(
                "logging.log(logging.Level.WARN, 'there', 'a line'); [config.get('none'), [k for k, _ in config.get_all() if k.startswith('SHEM')] != []]",
                [None, ...],
            ),
        ),
        state=(py("len(g.entries())", 4),),
    ),
    Row(
        name="secrets",
        guest="probe",
        secrets={"key": "hush"},
        script=(
            py("k = config.get('secret:key'); print(k); len(k)", 4),
            py("[config.get('secret:key') == k, config.get('secret:none')]", [True, None]),
        ),
        state=(py("k[::-1]", "hsuh"),),
    ),
    Row(
        name="options of sockets",
        guest="probe",
        script=(
            py(
                "V4 = network.IpAddressFamily.IPV4\n"
                "n, t = instance_network.instance_network(), tcp_create_socket.create_tcp_socket(V4)\n"
                "for name in ('keep_alive_idle_time', 'keep_alive_interval', 'keep_alive_count', 'hop_limit', 'receive_buffer_size', 'send_buffer_size'):\n"
                "    getattr(t, 'set_' + name)(7); assert getattr(t, name)() == 7; caught(getattr(t, 'set_' + name), 0)\n"
                "t.set_keep_alive_enabled(True)\n"
                "here = network.IpSocketAddress_Ipv4(network.Ipv4SocketAddress(0, (127, 0, 0, 1)))\n"
                "t.start_bind(n, here); t.finish_bind()\n"
                "[t.keep_alive_enabled(), t.local_address().value.address, t.is_listening(), t.address_family().name]",
                [True, [127, 0, 0, 1], False, "IPV4"],
            ),
            py(
                "[caught(t.remote_address).name, caught(t.shutdown, tcp.ShutdownType.BOTH).name, caught(t.finish_listen).name,"
                " caught(t.accept).name, caught(t.set_listen_backlog_size, 0).name, t.set_listen_backlog_size(5)]",
                [
                    "INVALID_STATE",
                    "INVALID_STATE",
                    "NOT_IN_PROGRESS",
                    "INVALID_STATE",
                    "INVALID_ARGUMENT",
                    None,
                ],
            ),
            py(
                "t.start_listen(); t.finish_listen(); [t.is_listening(), caught(t.accept).name]",
                [True, "WOULD_BLOCK"],
            ),
            # Once more, and perhaps after a crash: at the address where it was.
            py("caught(t.accept).name", "WOULD_BLOCK"),
            py(
                "u = udp_create_socket.create_udp_socket(V4)\n"
                "for name in ('unicast_hop_limit', 'receive_buffer_size', 'send_buffer_size'):\n"
                "    getattr(u, 'set_' + name)(7); assert getattr(u, name)() == 7\n"
                "u.start_bind(n, here); u.subscribe().block(); u.finish_bind(); i, o = u.stream(None)\n"
                "o.subscribe().block(); [caught(u.remote_address).name, u.address_family().name, o.check_send() > 0, i.receive(4)]",
                ["INVALID_STATE", "IPV4", True, []],
            ),
        ),
        options={"settings": {"sockets": True}},
    ),
)
