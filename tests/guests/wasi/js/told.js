// What the guest says of what it did: texts, in the order in which it did it.

let told = [];

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export const bytes = (text) => encoder.encode(text);

function text(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  // The host's bytes and errors are of the bindings' realm: no `instanceof` here.
  if (ArrayBuffer.isView(value)) return decoder.decode(value);
  return String(value);
}

export function say(...values) {
  for (const value of values) told.push(text(value));
}

// What was said since it was last asked.
export function taken() {
  const all = told;
  told = [];
  return all;
}

const dispose = Symbol.dispose ?? Symbol.for("dispose");

export function drop(...handles) {
  for (const handle of handles) handle[dispose]();
}

// What the host answered with instead of a value; an exception of the guest's own goes on.
export function refused(call) {
  try {
    return { value: call() };
  } catch (error) {
    if (!Object.hasOwn(error, "payload")) throw error;
    return { error: error.payload, failed: true };
  }
}

// The name in an enumeration of errors, or ok.
export function sayCode(call) {
  const { error, failed } = refused(call);
  say(failed ? error : "ok");
}

// The number of the case among `names`, or ok.
export function sayCase(names, call) {
  const { error, failed } = refused(call);
  say(failed ? names.indexOf(error.tag) : "ok");
}

export function sayErr(call) {
  say(refused(call).failed ? "error" : "ok");
}

export function waitFor(pollable) {
  pollable.block();
  drop(pollable);
}
