// wasi:http, called in every way: fields, requests to a server, and requests that are answered.

import { handle } from "wasi:http/outgoing-handler@0.2.9";
import {
  Fields,
  IncomingBody,
  OutgoingBody,
  OutgoingRequest,
  OutgoingResponse,
  RequestOptions,
  ResponseOutparam,
  httpErrorCode,
} from "wasi:http/types@0.2.9";
import { bytes, drop, refused, say, sayCase, sayErr, taken, waitFor } from "./told.js";

const HEADER_ERRORS = ["invalid-syntax", "forbidden", "immutable"];
const STREAM_ERRORS = ["last-operation-failed", "closed"];
const SCHEMES = ["HTTP", "HTTPS", "other"];
const METHODS = ["get", "head", "post", "put", "delete"];
const CONNECTION_REFUSED = ["connection-refused", 6];

function requestFor(method, authority, path) {
  const request = new OutgoingRequest(new Fields());
  request.setMethod({ tag: method });
  request.setAuthority(authority);
  request.setPathWithQuery(path);
  request.setScheme({ tag: "HTTP" });
  return request;
}

function opened({ tag, val }) {
  if (tag !== "ok") throw new Error(`the exchange failed: ${JSON.stringify(val)}`);
  return val;
}

function answerTo(future) {
  waitFor(future.subscribe());
  return opened(opened(future.get()));
}

function option(options, name) {
  const setter = `set${name[0].toUpperCase()}${name.slice(1)}`;
  return (duration) => {
    say(options[name]() !== undefined);
    options[setter](duration);
    say(options[name]());
  };
}

export const parts = {
  fields() {
    const one = Fields.fromList([
      ["a", bytes("1")],
      ["A", bytes("2")],
    ]);
    one.append("b", bytes("3"));
    one.set("c", [bytes("4"), bytes("5")]);
    one.delete("b");
    const copy = one.clone();
    say(copy.has("b"), ...copy.get("a"), copy.entries().length);
    sayCase(HEADER_ERRORS, () => one.append("a b", bytes("1")));
    sayCase(HEADER_ERRORS, () => one.append("a", bytes("1\r\nb: 2")));
    sayCase(HEADER_ERRORS, () => one.append("host", bytes("x")));
    sayCase(HEADER_ERRORS, () => Fields.fromList([["a", bytes("\r\n")]]));
    const request = new OutgoingRequest(one);
    const fixed = request.headers();
    sayCase(HEADER_ERRORS, () => fixed.append("x", bytes("1")));
    sayCase(HEADER_ERRORS, () => fixed.set("x", [bytes("4")]));
    sayCase(HEADER_ERRORS, () => fixed.delete("a"));
    drop(fixed, copy, request);
  },

  requests() {
    const request = new OutgoingRequest(new Fields());
    request.setMethod({ tag: "other", val: "BREW" });
    say(request.method().val);
    sayErr(() => request.setMethod({ tag: "other", val: "G T" }));
    request.setPathWithQuery("/a?b=1");
    say(request.pathWithQuery());
    sayErr(() => request.setPathWithQuery("/a\r\nb: 1"));
    request.setScheme({ tag: "HTTPS" });
    say(SCHEMES.indexOf(request.scheme().tag));
    request.setAuthority("h:1");
    say(request.authority());
    sayErr(() => request.setAuthority("x\r\ny"));
    request.body();
    sayErr(() => request.body());
  },

  options() {
    const options = new RequestOptions();
    option(options, "connectTimeout")(1000n);
    option(options, "firstByteTimeout")(2000n);
    option(options, "betweenBytesTimeout")(3000n);
    drop(options);
  },

  exchange(authority) {
    const request = requestFor("post", authority, "/echo/c");
    const body = request.body();
    const future = handle(request, new RequestOptions());
    const out = body.write();
    sayErr(() => body.write());
    out.blockingWriteAndFlush(bytes("hello"));
    drop(out);
    sayCase([], () => OutgoingBody.finish(body, undefined));
    waitFor(future.subscribe());
    const got = future.get();
    say(got !== undefined);
    say(future.get().tag === "err");
    const response = opened(opened(got));
    say(response.status());
    const headers = response.headers();
    say(headers.get("x-test")[0]);
    sayCase(HEADER_ERRORS, () => headers.delete("x-test"));
    drop(headers);
    const answer = response.consume();
    sayErr(() => response.consume());
    const input = answer.stream();
    sayErr(() => answer.stream());
    let size = 0;
    for (;;) {
      const { value, failed } = refused(() => input.blockingRead(1000n));
      if (failed) break;
      size += value.length;
    }
    say(size > 5);
    drop(input, answer, response, future);
  },

  // A response whose body ends with a trailer.
  trailers(authority) {
    const future = handle(requestFor("get", authority, "/long/3"), undefined);
    const response = answerTo(future);
    const body = response.consume();
    const input = body.stream();
    while (!refused(() => input.blockingSkip(100n)).failed);
    drop(input);
    const end = IncomingBody.finish(body);
    waitFor(end.subscribe());
    const told = end.get();
    say(told !== undefined);
    say(end.get().tag === "err");
    const found = opened(opened(told));
    say(found.get("x-digest")[0]);
    drop(found, end, response, future);
  },

  failures(authority) {
    // Nobody listens there.
    const nobody = handle(requestFor("get", "127.0.0.1:1", "/"), undefined);
    waitFor(nobody.subscribe());
    const [name, number] = CONNECTION_REFUSED;
    const { val } = opened(nobody.get());
    say(val.tag === name ? number : val.tag);
    drop(nobody);
    // A connection that is cut in the body.
    const cut = handle(requestFor("get", authority, "/cut/10"), undefined);
    const response = answerTo(cut);
    const body = response.consume();
    const input = body.stream();
    for (;;) {
      const { error, failed } = refused(() => input.blockingRead(1000n));
      if (!failed) continue;
      say(STREAM_ERRORS.indexOf(error.tag));
      say(httpErrorCode(error.val) !== undefined);
      drop(error.val);
      break;
    }
    drop(input, body, response, cut);
  },
};

// What the request was, one line each.
function described(request) {
  taken();
  say(METHODS.indexOf(request.method().tag));
  say(request.pathWithQuery());
  say(SCHEMES.indexOf(request.scheme().tag));
  say(request.authority());
  const headers = request.headers();
  say(headers.get("a")[0]);
  drop(headers);
  const body = request.consume();
  sayErr(() => request.consume());
  const input = body.stream();
  say(input.blockingRead(100n));
  drop(input, body);
  return taken();
}

function required(condition) {
  if (!condition) throw new Error("the host answered wrongly");
}

export const incomingHandler = {
  handle(request, out) {
    if (request.method().tag === "delete") {
      ResponseOutparam.set(out, { tag: "err", val: { tag: "loop-detected" } });
      return;
    }
    const response = new OutgoingResponse(new Fields());
    required(response.statusCode() === 200);
    required(refused(() => response.setStatusCode(99)).failed);
    response.setStatusCode(201);
    const headers = response.headers();
    required(headers.entries().length === 0);
    drop(headers);
    const body = response.body();
    ResponseOutparam.set(out, { tag: "ok", val: response });
    const to = body.write();
    for (const line of described(request)) to.blockingWriteAndFlush(bytes(`${line}\n`));
    drop(to, request);
    OutgoingBody.finish(body, undefined);
  },
};
