// wasi:keyvalue 0.2, called in every way.

import * as atomics from "wasi:keyvalue/atomics@0.2.0-draft2";
import * as batch from "wasi:keyvalue/batch@0.2.0-draft2";
import { open } from "wasi:keyvalue/store@0.2.0-draft2";
import { bytes, drop, refused, say, sayCase } from "./told.js";

const ERRORS = ["no-such-store", "access-denied", "other"];
const SWAP_ERRORS = ["store-error", "cas-failed"];
const TOO_LONG = "x".repeat(600);

let bucket;

const sayFound = (found) => say(found ?? "none");

export const parts = {
  store() {
    bucket = open("orders");
    bucket.set("a", bytes("1"));
    sayFound(bucket.get("a"));
    sayFound(bucket.get("none"));
    say(bucket.exists("a"));
    bucket.set("b", bytes("2"));
    bucket.delete("b");
    say(bucket.exists("b"));
    const listed = bucket.listKeys(undefined);
    say(...listed.keys, listed.cursor !== undefined);
  },

  atomics() {
    say(atomics.increment(bucket, "n", 5n));
    // Less than nothing cannot be passed: the engine ends.
    say(atomics.increment(bucket, "n", 7n));
    const one = atomics.Cas.new(bucket, "a");
    sayFound(one.current());
    const late = atomics.Cas.new(bucket, "a");
    sayCase(SWAP_ERRORS, () => atomics.swap(one, bytes("3")));
    const { error } = refused(() => atomics.swap(late, bytes("4")));
    say(SWAP_ERRORS.indexOf(error.tag));
    sayFound(error.val.current());
    drop(error.val);
  },

  batch() {
    batch.setMany(bucket, [
      ["x", bytes("7")],
      ["y", bytes("8")],
    ]);
    const keys = ["x", "none", "y"];
    for (const [key, value] of batch.getMany(bucket, keys)) {
      say(key);
      sayFound(value);
    }
    batch.deleteMany(bucket, keys);
  },

  errors() {
    sayCase(ERRORS, () => open(""));
    sayCase(ERRORS, () => bucket.set(TOO_LONG, bytes("1")));
    sayCase(ERRORS, () => bucket.get(TOO_LONG));
    bucket.set("word", bytes("no number"));
    sayCase(ERRORS, () => atomics.increment(bucket, "word", 1n));
    sayCase(ERRORS, () => atomics.Cas.new(bucket, TOO_LONG));
  },
};
