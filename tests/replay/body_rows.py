"""Programs of the replay-equivalence test whose HTTP bodies lie in the object store."""

from hashlib import sha256
from typing import Any

from actors.stored_bodies import PIECE_BYTES
from tests.replay.harness import Row, http, py

_PLACE = "invocation/counter/w/body/k"


def _stored(size: int) -> dict[str, Any]:
    digest = sha256(bytes(size)).hexdigest()
    return {"name": _PLACE, "size": size, "sha256": digest, "piece-bytes": PIECE_BYTES}


BODY_ROWS = (
    Row(
        name="bodies in pieces of the object store",
        guest="probe",
        script=(
            py(
                "seen = hashlib.sha256()\n"
                "def handler(request, out):\n"
                "    i = request.consume(); source = i.stream(); drawn = os.urandom(1)\n"
                "    r = wasi_http.OutgoingResponse(wasi_http.Fields()); b = r.body()\n"
                "    wasi_http.ResponseOutparam.set(out, Ok(r))\n"
                "    with b.write() as sink:\n"
                "        while True:\n"
                "            try: piece = source.read(65536)\n"
                "            except Err: break\n"
                "            seen.update(piece)\n"
                "            sink.blocking_write_and_flush(piece)\n"
                "            if len(piece) == 65536: sink.write(drawn)\n"
                "    source.__exit__(None, None, None)\n"
                "    wasi_http.IncomingBody.finish(i).__exit__(None, None, None)\n"
                "    wasi_http.OutgoingBody.finish(b, None)\n"
            ),
            http(
                {"method": "post", "body-at": _stored(700_000), "stores-body": True},
                {
                    "ok": {
                        "status": 200,
                        "headers": [],
                        "body": {"base64": ""},
                        "trailers": [],
                        "body-at": {
                            "name": "$place",
                            "size": 700_010,
                            "sha256": "$digest",
                            "piece-bytes": PIECE_BYTES,
                        },
                    }
                },
            ),
            py("seen.hexdigest()", sha256(bytes(700_000)).hexdigest()),
            http(
                {"method": "post", "body-at": {**_stored(1), "name": "invocation/counter/x/b"}},
                {"err": {"HTTP-request-denied": None}},
            ),
        ),
        state=(py("seen.hexdigest()", sha256(bytes(700_000)).hexdigest()),),
        blobs={
            f"{_PLACE}/000000": bytes(PIECE_BYTES),
            f"{_PLACE}/000001": bytes(700_000 - PIECE_BYTES),
        },
    ),
)
