// wasi:blobstore, wasi:config and wasi:logging, called in every way.

import * as store from "wasi:blobstore/blobstore";
import { OutgoingValue } from "wasi:blobstore/types";
import * as config from "wasi:config/store@0.2.0-rc.1";
import { log } from "wasi:logging/logging@0.1.0-draft";
import { bytes, drop, say, sayErr } from "./told.js";

const WHOLE = (1n << 64n) - 1n;

let box;

function put(where, name, text) {
  const value = OutgoingValue.newOutgoingValue();
  const out = value.outgoingValueWriteBody();
  out.blockingWriteAndFlush(bytes(text));
  drop(out);
  sayErr(() => where.writeData(name, value));
  drop(value);
}

function sayNames() {
  const names = box.listObjects();
  const [found, isEnd] = names.readStreamObjectNames(100n);
  say(...found, isEnd);
  drop(names);
}

export const parts = {
  objects() {
    box = store.createContainer("box");
    say(box.name());
    say(box.info().name);
    put(box, "a", "0123456789");
    put(box, "b", "bbb");
    const part = box.getData("a", 2n, 4n);
    say(part.size());
    say(part.incomingValueConsumeSync());
    drop(part);
    const whole = box.getData("a", 0n, WHOLE);
    const input = whole.incomingValueConsumeAsync();
    say(input.blockingRead(100n));
    drop(input, whole);
    say(box.hasObject("a"));
    say(box.objectInfo("b").size);
    const names = box.listObjects();
    say(names.skipStreamObjectNames(1n)[0]);
    say(names.readStreamObjectNames(1n)[0][0]);
    drop(names);
  },

  containers() {
    const other = store.createContainer("other");
    const copy = { container: "other", object: "c" };
    store.copyObject({ container: "box", object: "a" }, copy);
    store.moveObject(copy, { container: "box", object: "d" });
    sayNames();
    box.deleteObject("a");
    box.deleteObjects(["a", "b"]);
    sayNames();
    put(other, "k", "x");
    other.clear();
    drop(other);
    store.deleteContainer("other");
    say(store.containerExists("other"));
    drop(store.getContainer("box"));
  },

  errors() {
    sayErr(() => box.getData("none", 0n, 1n));
    sayErr(() => box.objectInfo("none"));
    sayErr(() => store.getContainer("none"));
    sayErr(() => store.createContainer(""));
    const none = { container: "box", object: "none" };
    sayErr(() => store.copyObject(none, none));
    put(box, "", "x");
  },

  others() {
    log("warn", "there", "a line");
    say(config.get("none") !== undefined);
    say(config.getAll().length < 100);
  },
};
