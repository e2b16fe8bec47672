"""A guest that runs what it is told. The namespace of the code is this module."""

# ruff: noqa: F401, F811, ICN001 - what is imported here is used by the code that tests send

import ast
import asyncio
import base64
import contextlib
import datetime
import email.message
import encodings.cp437
import encodings.idna
import hashlib
import http.client
import io
import json
import os
import pathlib
import random as py_random
import shutil
import socket
import stat
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zipfile
import zlib

import shem_loop
from componentize_py_types import Err, Ok, Some
from wit_world import exports
from wit_world.imports import (
    atomic,
    atomics,
    batch,
    blobstore,
    cache,
    clients,
    container,
    context,
    durability,
    environment,
    error,
    eventual,
    eventual_batch,
    host,
    insecure,
    insecure_seed,
    instance_network,
    ip_name_lookup,
    logging,
    monotonic_clock,
    network,
    oplog,
    outgoing_handler,
    poll,
    preopens,
    random,
    stderr,
    stdin,
    stdout,
    streams,
    tcp,
    tcp_create_socket,
    udp,
    udp_create_socket,
    wall_clock,
)
from wit_world.imports import wasi_blobstore_types as blob_types
from wit_world.imports import wasi_config_store as config
from wit_world.imports import wasi_filesystem_types as fs
from wit_world.imports import wasi_http_types as wasi_http
from wit_world.imports import wasi_keyvalue_store as kv
from wit_world.imports import wasi_keyvalue_types as kv01

try:
    import sqlite3
except ImportError:
    sqlite3 = None
try:
    import ssl
except ImportError:
    ssl = None


def plain(value):
    """Return what JSON has no word for in words that it has."""
    if isinstance(value, bytes | bytearray):
        return value.decode("latin-1")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "__dataclass_fields__"):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return {"is": type(value).__name__, **fields} if fields else type(value).__name__
    if hasattr(value, "name"):
        return value.name
    return str(value)


def caught(call, *arguments):
    """Return the value of the error that `call` answers with."""
    try:
        call(*arguments)
    except Err as error:
        return error.value
    raise AssertionError("no error")


class Fetched:
    """A response, read to its end."""

    def __init__(self, status, headers, body, trailers):
        self.status, self.headers, self.body, self.trailers = status, headers, body, trailers


METHODS = {
    name.lower(): getattr(wasi_http, f"Method_{name}")
    for name in ("Get", "Post", "Put", "Delete", "Head")
}


def request(method, authority, path, *, headers=(), body=None, trailers=None, options=None):
    """Send a request; return the future response."""
    entries = [(name, value.encode()) for name, value in headers]
    out = wasi_http.OutgoingRequest(wasi_http.Fields.from_list(entries))
    out.set_method(METHODS[method.lower()]())
    out.set_scheme(wasi_http.Scheme_Http())
    out.set_authority(authority)
    out.set_path_with_query(path)
    outgoing = out.body()
    future = outgoing_handler.handle(out, options)
    if body:
        with outgoing.write() as sink:
            for start in range(0, len(body), 4096):
                sink.blocking_write_and_flush(body[start : start + 4096])
    fields = None
    if trailers is not None:
        fields = wasi_http.Fields.from_list([(name, value.encode()) for name, value in trailers])
    wasi_http.OutgoingBody.finish(outgoing, fields)
    return future


def received(future):
    """Wait for a response and read all of it."""
    with future.subscribe() as pollable:
        pollable.block()
    answer = future.get()
    future.__exit__(None, None, None)
    if isinstance(answer.value, Err):
        raise answer.value
    response = answer.value.value
    status, headers = response.status(), response.headers().entries()
    incoming = response.consume()
    body = bytearray()
    source = incoming.stream()
    try:
        while True:
            body += source.blocking_read(65536)
    except Err as error:
        if not isinstance(error.value, streams.StreamError_Closed):
            with error.value.value as inner:
                raise Err(wasi_http.http_error_code(inner)) from None
    finally:
        source.__exit__(None, None, None)
    response.__exit__(None, None, None)
    following = wasi_http.IncomingBody.finish(incoming)
    with following.subscribe() as pollable:
        pollable.block()
    trailers = following.get()
    following.__exit__(None, None, None)
    found = trailers.value.value if isinstance(trailers.value, Ok) else trailers.value
    entries = found.entries() if hasattr(found, "entries") else []
    return Fetched(status, headers, bytes(body), entries)


def fetch(method, authority, path, **options):
    """Send a request and return its whole response."""
    return received(request(method, authority, path, **options))


NAMESPACE = globals()


class Api(exports.Api):
    def run(self, code: str) -> str:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        try:
            exec(compile(tree, "<test>", "exec"), NAMESPACE)
            value = None
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<test>", "eval"), NAMESPACE)
        except Exception as error:
            raise Err(f"{type(error).__name__}: {plain_error(error)}") from error
        return json.dumps(value, default=plain)


def plain_error(error):
    """Return what it says, and where it came from."""
    said = plain(error.value) if isinstance(error, Err) else str(error)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == "<test>"
    ]
    return f"{said} (line {lines[-1]})" if lines else str(said)


class IncomingHandler(exports.IncomingHandler):
    """Answers with what it was asked; `NAMESPACE["handler"]`, if set, answers instead."""

    def handle(self, request, response_out):
        handler = NAMESPACE.get("handler")
        if handler is not None:
            handler(request, response_out)
            return
        answer_with_echo(request, response_out)


def answer_with_echo(request, response_out):
    incoming = request.consume()
    source = incoming.stream()
    body = bytearray()
    try:
        while True:
            body += source.blocking_read(65536)
    except Err:
        source.__exit__(None, None, None)
    wasi_http.IncomingBody.finish(incoming).__exit__(None, None, None)
    told = {
        "method": type(request.method()).__name__,
        "path": request.path_with_query(),
        "authority": request.authority(),
        "scheme": type(request.scheme()).__name__,
        "headers": request.headers().entries(),
        "body": bytes(body),
        "served": NAMESPACE.setdefault("served", 0) + 1,
    }
    NAMESPACE["served"] += 1
    fields = wasi_http.Fields.from_list(
        [("content-type", b"application/json"), ("x-two", b"1"), ("x-two", b"2")]
    )
    response = wasi_http.OutgoingResponse(fields)
    response.set_status_code(201)
    outgoing = response.body()
    wasi_http.ResponseOutparam.set(response_out, Ok(response))
    with outgoing.write() as sink:
        sink.blocking_write_and_flush(json.dumps(told, default=plain).encode()[:4096])
    wasi_http.OutgoingBody.finish(outgoing, None)


class Run(exports.Run):
    """Tells what it was given, and ends as its first argument says."""

    def run(self) -> None:
        print("arguments", *environment.get_arguments())
        print("input", sys.stdin.read())
        how = (environment.get_arguments() or ["well"])[-1]
        if how.isdigit():
            sys.exit(int(how))
        if how == "badly":
            raise Err(None)
