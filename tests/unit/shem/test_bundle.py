"""Bundles that are made again: later, elsewhere, with other names, and after files were taken away.

What a server makes of them: `test_security.py`.
"""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shem.cli.app import app
from shem.deploy import BundleOptions, write_bundle
from shem.deploy.certificates import make_authority, make_certificate
from shem.deploy.tls import RENEWED_BEFORE_DAYS
from shem.errors import RefusedError

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def write(folder: Path, now: datetime = NOW, **options: Any) -> datetime:
    """Write a bundle; return the last day of its certificate."""
    written = write_bundle(folder, BundleOptions(**options), now)
    return datetime.fromisoformat(written.certificate_until).replace(tzinfo=UTC)


def shown(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "tls" / "server.pem").read_bytes(), (folder / "ca.pem").read_bytes()


def test_a_certificate_is_kept_until_it_is_about_to_expire_and_renewed_then(tmp_path: Path):
    until = write(tmp_path)
    before = shown(tmp_path)
    assert write(tmp_path, until - timedelta(days=RENEWED_BEFORE_DAYS + 1)) == until
    assert shown(tmp_path) == before
    later = until - timedelta(days=RENEWED_BEFORE_DAYS)
    assert write(tmp_path, later) > until
    assert shown(tmp_path)[0] != before[0]
    assert shown(tmp_path)[1] == before[1]


def test_the_key_of_the_authority_may_lie_elsewhere_until_something_has_to_be_signed(
    tmp_path: Path,
) -> None:
    until = write(tmp_path, hosts=("n0",))
    before = shown(tmp_path)
    key = (tmp_path / "ca.key").rename(tmp_path / "elsewhere")
    write(tmp_path, hosts=("n0",), clients=("webshop",))
    assert shown(tmp_path) == before
    assert not (tmp_path / "ca.key").exists()
    with pytest.raises(RefusedError, match=r"no certificate of this authority for n0, n1.*ca\.key"):
        write(tmp_path, hosts=("n0", "n1"))
    with pytest.raises(RefusedError, match=r"expires on .*ca\.key"):
        write(tmp_path, until, hosts=("n0",))
    assert shown(tmp_path) == before
    key.rename(tmp_path / "ca.key")
    write(tmp_path, hosts=("n0", "n1"))
    assert shown(tmp_path)[1] == before[1]


@pytest.mark.parametrize("gone", ["tls/server.pem", "tls/server.key", "ca.pem"])
def test_a_certificate_fits_its_key_and_its_authority_again_when_a_file_was_removed(
    tmp_path: Path, gone: str
) -> None:
    write(tmp_path)
    before = shown(tmp_path)
    (tmp_path / gone).unlink()
    write(tmp_path)
    after = shown(tmp_path)
    assert after[0] != before[0]
    # With its key alone it would be another authority that passes for the one that others know.
    assert (after[1] == before[1]) == (gone != "ca.pem")
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == after[1]
    write(tmp_path)
    assert shown(tmp_path) == after


def test_certificates_of_an_authority_of_ones_own_are_taken_as_they_are(tmp_path: Path):
    write(tmp_path, hosts=("n0",))
    authority = make_authority("ours", NOW)
    pair = make_certificate(authority, "any", ("*.nats.example", "fd00::1"), NOW)
    (tmp_path / "ca.key").unlink()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    (tmp_path / "tls" / "server.pem").write_bytes(pair.certificate)
    (tmp_path / "tls" / "server.key").write_bytes(pair.key)
    write(tmp_path, hosts=("n0.nats.example", "fd00::1"))
    assert shown(tmp_path) == (pair.certificate, authority.certificate)


WRONG: dict[str, dict[str, Any]] = {
    "limit-of-nobody": {"limits": {"shp": "10GB"}},
    "limit-that-is-no-size": {"limits": {"shem": "lots"}},
    "store-that-is-no-size": {"store_limit": "lots"},
    "namespace-twice": {"namespaces": ("shop", "shop")},
    "client-twice": {"clients": ("webshop", "webshop")},
    "host-twice": {"hosts": ("n0", "n0")},
    "no-host": {"hosts": ("",)},
    "host-with-scheme": {"hosts": ("tls://n0",)},
    "host-with-port": {"hosts": ("n0:4222",)},
    "host-with-space": {"hosts": ("n 0",)},
    "host-not-in-ascii": {"hosts": ("übung.example",)},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("jwt", [False, True], ids=["nkeys", "jwt"])
def test_what_servers_would_not_take_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, Any], *, jwt: bool
) -> None:
    with pytest.raises(RefusedError):
        write(tmp_path / "made", jwt=jwt, **wrong)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("jwt", [False, True], ids=["nkeys", "jwt"])
def test_a_bundle_does_not_change_what_its_accounts_are_called(tmp_path: Path, *, jwt: bool):
    write(tmp_path, jwt=jwt)
    before = (tmp_path / "accounts.conf").read_bytes()
    with pytest.raises(RefusedError, match="--jwt"):
        write(tmp_path, jwt=not jwt)
    assert (tmp_path / "accounts.conf").read_bytes() == before


def deploy(folder: Path, *options: str) -> str:
    """Run the command line; return what it says that has changed."""
    done = CliRunner().invoke(app, ["deploy", "nats", str(folder), *options])
    assert done.exit_code == 0, done.output
    return "\n".join(line for line in done.stderr.splitlines() if line.startswith("changed: "))


def test_a_bundle_is_made_again_as_it_was_and_what_changes_is_told(tmp_path: Path):
    first = ("--host", "n0", "--host", "n1", "--namespace", "shop", "--namespace", "lab")
    more = ("--client", "web", "--streams", "4", "--jwt", "--limit", "lab=1GB", "--port", "4333")
    assert deploy(tmp_path, *first, *more) == ""
    mapped = (tmp_path / "nats-1.conf").read_text()
    assert deploy(tmp_path) == ""
    assert (tmp_path / "nats-1.conf").read_text() == mapped
    assert (tmp_path / "identities/lab/web.creds").exists()

    told = deploy(tmp_path, "--namespace", "shop", "--client", "app")
    assert told.splitlines() == [
        "changed: namespaces shop, lab to shop",
        "changed: clients web to app",
        "changed: limits lab=1GB to none",
    ]
    told = deploy(tmp_path, "--anew", "--jwt")
    assert "changed: hosts n0, n1 to localhost" in told
    assert "changed: clients app to none" in told

    (tmp_path / "options.json").write_text("{")
    done = CliRunner().invoke(app, ["deploy", "nats", str(tmp_path), "--jwt"])
    assert done.exit_code == 1
    assert "options.json" in done.stderr


def test_a_file_that_holds_no_key_is_named(tmp_path: Path):
    write(tmp_path)
    file = tmp_path / "identities" / "shem" / "client.nk"
    file.write_text("")
    with pytest.raises(RefusedError, match=r"client\.nk holds no key"):
        write(tmp_path)
    file.unlink()
    write(tmp_path)
    assert file.read_text().startswith("SU")


def test_environments_are_read_by_a_shell_whatever_the_folder_is_called(tmp_path: Path):
    folder = tmp_path / 'my $HOME\'s "nats"'
    write(folder, hosts=("fd00::1", "n1"))
    text = (folder / "identities" / "shem" / "client.env").read_text()
    found = dict(word.split("=", 1) for word in shlex.split(text))
    assert found["SHEM_NATS_CA"] == str(folder / "ca.pem")
    assert found["SHEM_NATS_URL"] == "tls://[fd00::1]:4222,tls://n1:4222"


def test_the_compose_file_gives_the_user_of_the_image_all_that_it_mounts(tmp_path: Path):
    """Its head says what to do before; what is private belongs to whoever runs in the container."""
    text = (ROOT / "deploy" / "compose" / "cluster.yaml").read_text()
    (line,) = [line for line in text.splitlines() if "chown 10001" in line]
    words = line.partition("#   ")[2].partition("   #")[0].split()
    write(tmp_path / "deploy" / "compose" / "cluster", hosts=("nats-0", "nats-1", "nats-2"))
    given = {file for word in words[2:] for file in tmp_path.glob(word)}
    mounted = set(re.findall(r"\$\{SHEM_BUNDLE:-\./cluster\}/(identities/[^:]*):/run/shem", text))
    private = {tmp_path / "deploy" / "compose" / "cluster" / name for name in mounted}
    assert {file.name for file in private} == {"executor.nk", "gateway.nk", "secrets.key"}
    assert private <= given
