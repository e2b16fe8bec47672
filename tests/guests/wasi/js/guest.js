// Every function of WASI 0.2 that the toolchain lets JavaScript call. A part is named as in C, with
// the name of its source before it: `filesystem errors`.

import { parts as blobstore } from "./blobstore.js";
import { parts as cli } from "./cli.js";
import { parts as clocks } from "./clocks.js";
import { parts as filesystem } from "./filesystem.js";
import { parts as http } from "./http.js";
import { parts as io } from "./io.js";
import { parts as old } from "./keyvalue-0-1.js";
import { parts as keyvalue } from "./keyvalue.js";
import { parts as sockets } from "./sockets.js";
import { say, taken } from "./told.js";

export { run } from "./cli.js";
export { incomingHandler } from "./http.js";

const sources = {
  blobstore,
  cli,
  clocks,
  filesystem,
  http,
  io,
  keyvalue,
  "keyvalue-0-1": old,
  sockets,
};

// The part that is asked for, and what follows its name.
function found(asked) {
  for (const [source, parts] of Object.entries(sources)) {
    for (const [name, part] of Object.entries(parts)) {
      const whole = `${source} ${name}`;
      if (asked === whole) return [part, ""];
      if (asked.startsWith(`${whole} `)) return [part, asked.slice(whole.length + 1)];
    }
  }
  throw new Error(`no part ${asked}`);
}

export const api = {
  call(asked) {
    taken();
    // Only the host traps here.
    try {
      const [part, argument] = found(asked);
      part(argument);
    } catch (error) {
      say("threw", error, JSON.stringify(error?.payload) ?? "", error?.stack ?? "");
    }
    return taken();
  },
};
