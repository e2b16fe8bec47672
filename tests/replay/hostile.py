"""Programs that break rules, for the replay-equivalence test."""

from tests.replay.harness import Effect, Row, Step, py

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
        name="a body without end",
        guest="probe",
        script=(
            py(
                "f = request('get', '$HTTP', '/endless'); f.subscribe().block()\n"
                "r = f.get().value.value; b = r.consume(); s = b.stream(); read = 0\n"
                "while read < 3 << 20: read += len(s.blocking_read(1 << 20))\n"
                "for one in (s, b, r, f): one.__exit__(None, None, None)\n"
                "read >= 3 << 20",
                True,
            ),
            py("fetch('get', '$HTTP', '/count').body", "1"),
        ),
        effects={"GET /endless": (Effect.SAME_KEY, 1), "GET /count": (Effect.SAME_KEY, 1)},
    ),
    Row(
        name="requests without end",
        guest="probe",
        script=(
            py(
                "open_ = []\n"
                "def more():\n"
                "    while len(open_) < 1000: open_.append(request('get', '$HTTP', '/echo'))\n"
                "[type(caught(more)).__name__, len(open_)]",
                ["ErrorCode_ConnectionLimitReached", 100],
            ),
            py(
                "for one in open_:\n"
                "    with one.subscribe() as p: p.block()\n"
                "    one.__exit__(None, None, None)\n"
                "open_.clear(); fetch('get', '$HTTP', '/count').body",
                "1",
            ),
        ),
        effects={"GET /echo": (Effect.SAME_KEY, 100), "GET /count": (Effect.SAME_KEY, 1)},
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
