"""What a guest that turns bad sees of the machine that runs it: nothing that it was not given."""

from collections.abc import Iterator

import pytest

from tests.replay.harness import Guests, Row, py, run_once

pytestmark = pytest.mark.timeout(300)

SECRET = "planted-6f1c"
TRY = "got = []\nwith contextlib.suppress(OSError)"


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


def test_a_guest_sees_no_file_variable_or_argument_of_its_host(
    guests: Guests, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SHEM_NATS_PASSWORD", SECRET)
    place = tmp_path_factory.mktemp("host") / "secret"
    place.write_text(SECRET)
    up = "/.." * 12
    row = Row(
        name="what the host has",
        guest="probe",
        script=(
            py(
                f"[os.path.exists(p) for p in ({str(place)!r}, {up + str(place)!r}, "
                f"{up[1:] + str(place)!r}, '/etc/passwd', '/proc/self/environ', '/dev/mem')]",
                [False] * 6,
            ),
            py(f"{TRY}: got.append(open({up + str(place)!r}).read())\ngot", []),
            py(f"{TRY}: os.symlink({up[1:] + str(place)!r}, '/link')\ngot", []),
            py(f"{TRY}: got.append(open('/link').read())\ngot", []),
            py(f"{SECRET!r} in ' '.join([*os.environ.values(), *sys.argv])", False),
            py(f"{SECRET!r} in str(environment.get_environment())", False),
        ),
        state=(),
    )
    run_once(row, guests)
