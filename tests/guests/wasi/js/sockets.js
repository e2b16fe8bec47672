// wasi:sockets, called in every way: a worker that talks with itself, over the network.
//
// What is connected is lost in a crash, so each conversation is tried until it comes to its end.

import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.9";
import { poll } from "wasi:io/poll@0.2.9";
import { instanceNetwork } from "wasi:sockets/instance-network@0.2.9";
import { resolveAddresses } from "wasi:sockets/ip-name-lookup@0.2.9";
import { TcpSocket } from "wasi:sockets/tcp@0.2.9";
import { createTcpSocket } from "wasi:sockets/tcp-create-socket@0.2.9";
import { createUdpSocket } from "wasi:sockets/udp-create-socket@0.2.9";
import { bytes, drop, refused, say, sayCode, waitFor } from "./told.js";

// The tool makes no class of a resource without functions, and misses it when it gets one: this is
// it, in the realm of the bindings.
const realm = TcpSocket.constructor("return globalThis")();
realm["import_network_0_2_9$Network"] = class Network {};

const FAMILIES = ["ipv4", "ipv6"];
const TRIES_MAX = 20;
const PATIENCE_NS = 500_000_000n;
const OTHER = {
  tag: "ipv6",
  val: { port: 0, flowInfo: 0, address: [0, 0, 0, 0, 0, 0, 0, 0], scopeId: 0 },
};

let network, listener, listeningAt, one, two;

const here = (port) => ({ tag: "ipv4", val: { port, address: [127, 0, 0, 1] } });

// Wait for one, but not for ever: the other side may be lost.
function waited(pollable) {
  const both = [pollable, subscribeDuration(PATIENCE_NS)];
  const isFirst = poll(both)[0] === 0;
  drop(...both);
  return isFirst;
}

function option(socket, name, value) {
  const setter = `set${name[0].toUpperCase()}${name.slice(1)}`;
  socket[setter](value);
  say(socket[name]());
  sayCode(() => socket[setter](typeof value === "bigint" ? 0n : 0));
}

function heard(input, wanted) {
  const { value, failed } = refused(() => input.blockingRead(100n));
  return !failed && new TextDecoder().decode(value) === wanted;
}

function sent(out, text) {
  return !refused(() => out.blockingWriteAndFlush(bytes(text))).failed;
}

function spoken(client, input, out, peerInput, peerOut) {
  if (!sent(out, "ping") || !heard(peerInput, "ping")) return false;
  if (!sent(peerOut, "pong") || !heard(input, "pong")) return false;
  if (refused(() => client.shutdown("send")).failed) return false;
  const { error, failed } = refused(() => peerInput.blockingRead(100n));
  return Boolean(failed) && error.tag === "closed";
}

function dropAccepted([peer, input, out]) {
  drop(input, out, peer);
}

// The other side of a client's connection; before it there may be some of clients that are lost.
function accepted(client) {
  const from = refused(() => client.localAddress());
  if (from.failed) return undefined;
  while (waited(listener.subscribe())) {
    const next = refused(() => listener.accept());
    if (next.failed) continue;
    const to = refused(() => next.value[0].remoteAddress());
    if (!to.failed && to.value.val.port === from.value.val.port) return next.value;
    dropAccepted(next.value);
  }
  return undefined;
}

// Both sides of one connection; false: it was lost.
function conversed() {
  const made = refused(() => createTcpSocket("ipv4"));
  if (made.failed) return false;
  const client = made.value;
  refused(() => client.startConnect(network, listeningAt));
  const isThere = waited(client.subscribe());
  const connected = refused(() => client.finishConnect());
  if (!isThere || connected.failed) {
    drop(client);
    return false;
  }
  const [input, out] = connected.value;
  const peer = accepted(client);
  let isDone = false;
  if (peer !== undefined) {
    isDone = spoken(client, input, out, peer[1], peer[2]);
    dropAccepted(peer);
  }
  drop(input, out, client);
  return isDone;
}

export const parts = {
  denied() {
    network = instanceNetwork();
    sayCode(() => createTcpSocket("ipv4"));
    sayCode(() => createUdpSocket("ipv4"));
    sayCode(() => resolveAddresses(network, "localhost"));
  },

  "tcp-options"() {
    const socket = createTcpSocket("ipv4");
    say(FAMILIES.indexOf(socket.addressFamily()));
    option(socket, "keepAliveIdleTime", 5_000_000_000n);
    option(socket, "keepAliveInterval", 6_000_000_000n);
    option(socket, "keepAliveCount", 7);
    option(socket, "hopLimit", 8);
    option(socket, "receiveBufferSize", 9000n);
    option(socket, "sendBufferSize", 10000n);
    say(socket.keepAliveEnabled());
    socket.setKeepAliveEnabled(true);
    say(socket.keepAliveEnabled());
    drop(socket);
  },

  "tcp-errors"() {
    const socket = createTcpSocket("ipv4");
    sayCode(() => socket.finishBind());
    sayCode(() => socket.finishConnect());
    sayCode(() => socket.startListen());
    sayCode(() => socket.finishListen());
    sayCode(() => socket.accept());
    sayCode(() => socket.localAddress());
    sayCode(() => socket.remoteAddress());
    sayCode(() => socket.shutdown("both"));
    sayCode(() => socket.setListenBacklogSize(0n));
    sayCode(() => socket.startBind(network, OTHER));
    sayCode(() => socket.startConnect(network, here(0)));
    // Nobody listens there.
    socket.startConnect(network, here(1));
    for (;;) {
      waited(socket.subscribe());
      const { error, failed } = refused(() => socket.finishConnect());
      // After a crash it connects once more.
      if (failed && error === "would-block") continue;
      say(failed ? error : "ok");
      break;
    }
    drop(socket);
  },

  listen() {
    network = instanceNetwork();
    listener = createTcpSocket("ipv4");
    listener.startBind(network, here(0));
    listener.finishBind();
    listener.setListenBacklogSize(5n);
    say(listener.isListening());
    listener.startListen();
    listener.finishListen();
    say(listener.isListening());
    listeningAt = listener.localAddress();
    say(listeningAt.val.port > 0);
    sayCode(() => listener.accept());
  },

  converse() {
    for (let i = 0; i < TRIES_MAX; i++) {
      if (!conversed()) continue;
      say("conversed");
      return;
    }
    say("given up");
  },

  "udp-begin"() {
    one = createUdpSocket("ipv4");
    two = createUdpSocket("ipv4");
    sayCode(() => one.finishBind());
    sayCode(() => one.localAddress());
    sayCode(() => one.stream(undefined));
    option(one, "unicastHopLimit", 5);
    option(one, "receiveBufferSize", 60000n);
    option(one, "sendBufferSize", 70000n);
    say(FAMILIES.indexOf(one.addressFamily()));
    one.startBind(network, here(0));
    waitFor(one.subscribe());
    one.finishBind();
    two.startBind(network, here(0));
    two.finishBind();
    sayCode(() => two.remoteAddress());
  },

  "udp-talk"() {
    const first = one.localAddress();
    const [inOfOne, outOfOne] = one.stream(undefined);
    const [inOfTwo, outOfTwo] = two.stream(first);
    say(two.remoteAddress().val.port === first.val.port);
    let isHeard = false;
    for (let i = 0; i < TRIES_MAX && !isHeard; i++) {
      waitFor(outOfTwo.subscribe());
      if (outOfTwo.checkSend() === 0n) continue;
      outOfTwo.send([{ data: bytes("ping"), remoteAddress: undefined }]);
      if (!waited(inOfOne.subscribe())) continue;
      const come = inOfOne.receive(10n);
      isHeard = come.length > 0 && come[0].data.length === 4;
    }
    say(isHeard ? "heard" : "given up");
    // To nobody, and more than a datagram holds.
    sayCode(() => outOfOne.send([{ data: bytes("ping"), remoteAddress: undefined }]));
    sayCode(() => outOfOne.send([{ data: new Uint8Array(70000), remoteAddress: first }]));
    drop(inOfOne, outOfOne, inOfTwo, outOfTwo);
  },

  names() {
    network = instanceNetwork();
    sayCode(() => resolveAddresses(network, "a b"));
    const stream = resolveAddresses(network, "localhost");
    waitFor(stream.subscribe());
    let count = 0;
    for (;;) {
      const { value, error, failed } = refused(() => stream.resolveNextAddress());
      // After a crash the name is looked up again.
      if (failed && error === "would-block") {
        waited(stream.subscribe());
        continue;
      }
      if (failed) say(error);
      if (failed || value === undefined) break;
      count++;
    }
    say(count > 0);
    drop(stream);
  },
};
