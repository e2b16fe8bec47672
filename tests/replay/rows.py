"""The programs of the replay-equivalence test. Adding an interface is adding rows here."""

from tests.replay.harness import Effect, Row, Step, py

ROWS = (
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
)
