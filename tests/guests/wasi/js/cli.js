// wasi:cli, called in every way.

import * as environment from "wasi:cli/environment@0.2.9";
import { exit, exitWithCode } from "wasi:cli/exit@0.2.9";
import { getStderr } from "wasi:cli/stderr@0.2.9";
import { getStdin } from "wasi:cli/stdin@0.2.9";
import { getStdout } from "wasi:cli/stdout@0.2.9";
import { getTerminalStderr } from "wasi:cli/terminal-stderr@0.2.9";
import { getTerminalStdin } from "wasi:cli/terminal-stdin@0.2.9";
import { getTerminalStdout } from "wasi:cli/terminal-stdout@0.2.9";
import { bytes, drop, refused, say } from "./told.js";

let heard = new Uint8Array();

export const run = {
  run() {
    const input = getStdin();
    const { value, failed } = refused(() => input.blockingRead(100n));
    drop(input);
    heard = failed ? new Uint8Array() : value;
    // Without input it fails, as a program that ends with an error.
    if (failed) throw Object.assign(new Error("no input"), { payload: undefined });
  },
};

export const parts = {
  terminals() {
    say(getTerminalStdin() !== undefined);
    say(getTerminalStdout() !== undefined);
    say(getTerminalStderr() !== undefined);
  },

  environment() {
    for (const [name, value] of environment.getEnvironment()) if (name.length === 5) say(value);
    say(environment.getArguments().length);
    say(environment.initialCwd());
  },

  streams() {
    const out = getStdout();
    const error = getStderr();
    out.blockingWriteAndFlush(bytes("out\n"));
    error.blockingWriteAndFlush(bytes("err\n"));
    drop(out, error);
    say("written");
  },

  heard() {
    say(heard);
  },

  exit() {
    exit({ tag: "err" });
  },

  "exit-with-code"() {
    exitWithCode(7);
  },
};
