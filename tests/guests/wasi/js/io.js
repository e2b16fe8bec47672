// wasi:io, called in every way, over files and clocks.

import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.9";
import { getDirectories } from "wasi:filesystem/preopens@0.2.9";
import { filesystemErrorCode } from "wasi:filesystem/types@0.2.9";
import { poll } from "wasi:io/poll@0.2.9";
import { bytes, drop, refused, say, sayCase, waitFor } from "./told.js";

const STREAM_ERRORS = ["last-operation-failed", "closed"];
const CREATE = { create: true };
const BOTH = { read: true, write: true };

let to, input, out;

export const parts = {
  begin() {
    const [[root]] = getDirectories();
    const from = root.openAt({}, "from", CREATE, BOTH);
    to = root.openAt({}, "to", CREATE, BOTH);
    from.write(bytes("0123456789abcdef"), 0n);
    input = from.readViaStream(0n);
    out = to.writeViaStream(0n);
  },

  input() {
    say(input.read(2n));
    say(input.blockingRead(2n));
    say(input.skip(1n));
    say(input.blockingSkip(1n));
    const readable = input.subscribe();
    say(readable.ready());
    drop(readable);
  },

  output() {
    say(out.checkWrite() >= 1n);
    out.write(bytes("w"));
    out.flush();
    out.blockingWriteAndFlush(bytes("b"));
    out.blockingFlush();
    out.writeZeroes(1n);
    out.blockingWriteZeroesAndFlush(2n);
    say(out.splice(input, 3n));
    say(out.blockingSplice(input, 2n));
    waitFor(out.subscribe());
  },

  written() {
    const [contents] = to.read(100n, 0n);
    say(contents.map((byte) => byte || ".".charCodeAt(0)));
  },

  errors() {
    input.skip(100n);
    sayCase(STREAM_ERRORS, () => input.read(1n));
    sayCase(STREAM_ERRORS, () => out.blockingSplice(input, 1n));
    const far = to.writeViaStream(1n << 62n);
    const { error } = refused(() => far.blockingWriteAndFlush(bytes("x")));
    say(STREAM_ERRORS.indexOf(error.tag));
    say(error.val.toDebugString().length > 0);
    say(filesystemErrorCode(error.val) === "file-too-large");
    drop(error.val, far);
  },

  polled() {
    const all = [
      subscribeDuration(1n << 62n),
      input.subscribe(),
      out.subscribe(),
      subscribeDuration(0n),
    ];
    say(...poll(all));
    drop(...all);
  },

  nothing() {
    poll([]);
  },

  "too much"() {
    out.writeZeroes(1n << 30n);
  },
};
