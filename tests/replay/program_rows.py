"""Programs of the replay-equivalence test as people write them, with Python's standard library."""

from tests.replay.harness import Effect, Row, py

PROGRAM_ROWS = (
    Row(
        name="archives and temporary files",
        guest="probe",
        script=(
            py(
                "with tempfile.TemporaryDirectory(dir='/') as folder:\n"
                "    place = pathlib.Path(folder, 'a.zip')\n"
                "    with zipfile.ZipFile(place, 'w', zipfile.ZIP_DEFLATED) as z:\n"
                "        z.writestr('one.txt', 'x' * 10000); z.writestr('dir/two.txt', 'two')\n"
                "    shutil.copy(place, '/kept.zip')\n"
                "    small = place.stat().st_size < 1000\n"
                "[small, pathlib.Path(folder).exists(), zipfile.ZipFile('/kept.zip').testzip()]",
                [True, False, None],
            ),
            py(
                "zipfile.ZipFile('/kept.zip').extractall('/out')\n"
                "sorted(str(p.relative_to('/out')) for p in pathlib.Path('/out').rglob('*'))",
                ["dir", "dir/two.txt", "one.txt"],
            ),
            py(
                "with tempfile.NamedTemporaryFile(dir='/', delete=False) as f: f.write(b'kept')\n"
                "f.name",
                "$name",
            ),
        ),
        state=(
            py("[f.name, pathlib.Path(f.name).read_text()]", ["$name", "kept"]),
            py("pathlib.Path('/out/dir/two.txt').read_text()", "two"),
        ),
    ),
    Row(
        name="http.client over sockets",
        guest="probe",
        script=(
            py(
                "host_, _, port_ = '$HTTP'.partition(':')\n"
                "def ask(method, path, body=None):\n"
                "    for _ in range(3):\n"
                "        try:\n"
                "            c = http.client.HTTPConnection(host_, int(port_), timeout=60)\n"
                "            c.request(method, path, body, {'x-one': '1'})\n"
                "            r = c.getresponse()\n"
                "            told = [r.status, r.reason, json.loads(r.read())]\n"
                "            c.close(); return told\n"
                "        except OSError: pass\n"
                "a = ask('GET', '/echo/a'); [a[0], a[1], a[2]['what']]",
                [200, "Some Reason", "GET /echo/a"],
            ),
            py("ask('POST', '/echo/b', b'text')[2]['body']", "text"),
        ),
        state=(py("a[2]['what']", "GET /echo/a"),),
        effects={"GET /echo/a": (Effect.AGAIN, 1), "POST /echo/b": (Effect.AGAIN, 1)},
        options={"settings": {"sockets": True}},
    ),
    Row(
        name="tables of sqlite, where the toolchain has it",
        guest="probe",
        script=(
            py(
                "def rows():\n"
                "    with contextlib.closing(sqlite3.connect('/db')) as db:\n"
                "        return db.execute('select * from t').fetchall()\n"
                "def fill():\n"
                "    with contextlib.closing(sqlite3.connect('/db')) as db, db:\n"
                "        db.execute('create table t (a, b)')\n"
                "        db.executemany('insert into t values (?, ?)', [(1, 'x'), (2, 'y')])\n"
                "if sqlite3: fill()\n"
                "rows() if sqlite3 else 'none'",
                "$rows",
            ),
        ),
        state=(py("rows() if sqlite3 else 'none'", "$rows"),),
    ),
)
