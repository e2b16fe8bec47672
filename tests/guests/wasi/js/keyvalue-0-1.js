// wasi:keyvalue 0.1, called in every way.

import * as atomic from "wasi:keyvalue/atomic@0.1.0";
import * as cache from "wasi:keyvalue/cache@0.1.0";
import * as batch from "wasi:keyvalue/eventual-batch@0.1.0";
import * as eventual from "wasi:keyvalue/eventual@0.1.0";
import { Bucket, OutgoingValue } from "wasi:keyvalue/types@0.1.0";
import { bytes, drop, refused, say, sayErr, waitFor } from "./told.js";

const TOO_LONG = "x".repeat(600);
const ENTRIES = ["occupied", "vacant"];

let bucket;
let kept = new Uint8Array();

function valueOf(text) {
  const value = OutgoingValue.newOutgoingValue();
  value.outgoingValueWriteBodySync(bytes(text));
  return value;
}

function sayValue(value) {
  say(value.incomingValueConsumeSync());
  drop(value);
}

// What a future has become, when it is there.
function awaited(pollable, get) {
  waitFor(pollable);
  const { tag, val } = get();
  if (tag !== "ok") throw new Error("the cache failed");
  return val;
}

function awaitedResult(future) {
  awaited(future.listenToFutureResult(), () => future.futureResultGet());
  drop(future);
}

export const parts = {
  eventual() {
    bucket = Bucket.openBucket("old");
    const value = OutgoingValue.newOutgoingValue();
    const out = value.outgoingValueWriteBodyAsync();
    out.blockingWriteAndFlush(bytes("one"));
    drop(out);
    eventual.set(bucket, "k", value);
    drop(value);
    say(eventual.exists(bucket, "k"));
    say(eventual.get(bucket, "none") !== undefined);
    const found = eventual.get(bucket, "k");
    say(found.incomingValueSize());
    const input = found.incomingValueConsumeAsync();
    kept = input.blockingRead(100n);
    drop(input, found);
    eventual.delete(bucket, "k");
    say(eventual.exists(bucket, "k"));
  },

  again() {
    say(kept);
  },

  batch() {
    const one = valueOf("1");
    const two = valueOf("2");
    batch.setMany(bucket, [
      ["x", one],
      ["y", two],
    ]);
    drop(one, two);
    say(...batch.keys(bucket));
    const keys = ["x", "none", "y"];
    for (const found of batch.getMany(bucket, keys)) {
      if (found === undefined) say("none");
      else sayValue(found);
    }
    batch.deleteMany(bucket, keys);
  },

  atomic() {
    say(atomic.increment(bucket, "n", 4n));
    say(atomic.compareAndSwap(bucket, "n", 4n, 9n));
    say(atomic.compareAndSwap(bucket, "n", 4n, 1n));
  },

  errors() {
    const { error, failed } = refused(() => Bucket.openBucket(TOO_LONG));
    say(failed);
    say(error.trace().length > 0);
    drop(error);
    sayErr(() => eventual.get(bucket, TOO_LONG));
    const value = valueOf("word");
    sayErr(() => eventual.set(bucket, TOO_LONG, value));
    eventual.set(bucket, "word", value);
    sayErr(() => atomic.increment(bucket, "word", 1n));
  },

  cache() {
    const value = valueOf("v");
    awaitedResult(cache.set("k", value, 3_600_000));
    drop(value);
    const got = cache.get("k");
    sayValue(awaited(got.listenToFutureGetResult(), () => got.futureGetResultGet()));
    drop(got);
    const there = cache.exists("k");
    say(awaited(there.listenToFutureExistsResult(), () => there.futureExistsResultGet()));
    drop(there);
  },

  filled() {
    const vacant = cache.getOrSet("s");
    const entryOf = (future) =>
      awaited(future.listenToFutureGetOrSetResult(), () => future.futureGetOrSetResultGet());
    const empty = entryOf(vacant);
    say(ENTRIES.indexOf(empty.tag));
    const value = empty.val.vacancyFill(undefined);
    value.outgoingValueWriteBodySync(bytes("filled"));
    drop(value, empty.val, vacant);
    const taken = cache.getOrSet("s");
    const full = entryOf(taken);
    say(ENTRIES.indexOf(full.tag));
    sayValue(full.val);
    drop(taken);
    awaitedResult(cache.delete("k"));
  },
};
