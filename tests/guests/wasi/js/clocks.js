// wasi:clocks and wasi:random, called in every way.

import * as monotonic from "wasi:clocks/monotonic-clock@0.2.9";
import * as timezone from "wasi:clocks/timezone@0.2.9";
import * as wall from "wasi:clocks/wall-clock@0.2.9";
import { insecureSeed } from "wasi:random/insecure-seed@0.2.9";
import * as insecure from "wasi:random/insecure@0.2.9";
import * as random from "wasi:random/random@0.2.9";
import { drop, say } from "./told.js";

let kept = 0n;

export const parts = {
  monotonic() {
    const now = monotonic.now();
    say(now <= monotonic.now());
    say(monotonic.resolution() > 0n);
    const at = monotonic.subscribeInstant(now + 300_000_000n);
    const soon = monotonic.subscribeDuration(1_000_000n);
    const never = monotonic.subscribeInstant(1n << 62n);
    say(never.ready());
    soon.block();
    at.block();
    say(monotonic.now() >= now + 300_000_000n);
    drop(soon, at, never);
  },

  wall() {
    const now = wall.now();
    const step = wall.resolution();
    say(now.seconds);
    say(now.nanoseconds < 1_000_000_000);
    say(step.seconds === 0n && step.nanoseconds > 0);
    say(timezone.display(now).name);
    say(timezone.utcOffset(now));
  },

  random() {
    say(random.getRandomBytes(5n).length);
    kept = BigInt.asIntN(64, random.getRandomU64());
    say(kept);
    say(insecure.getInsecureRandomBytes(6n).length);
    say(insecure.getInsecureRandomU64());
    say(insecureSeed()[0]);
  },

  again() {
    say(kept);
  },

  "too much"() {
    random.getRandomBytes(1n << 40n);
  },
};
