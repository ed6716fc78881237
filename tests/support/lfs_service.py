#!/usr/bin/env python3
"""A Git LFS server for tests: the batch API and the basic transfer over a folder, with faults on demand.

In another server: keep one LfsService and call service.handle(request) from do_GET, do_PUT and do_POST of a
BaseHTTPRequestHandler (protocol_version "HTTP/1.1"); False: the path is not ours.

Alone: lfs_service.py FOLDER [--user U --password P] [--certificate FILE --key FILE] prints its port, serves
127.0.0.1 and ends when its standard input does. Faults are switched on by POST /_faults with a JSON object
(it replaces what was on), what was asked is told by GET /_seen and forgotten by POST /_forget:

  "answers": [{"where": "batch|download|upload|verify", "status": N, "times": N, "headers": {}, "body": ""}]
                     answer this instead; times absent: always. 429 with Retry-After, 500 twice, 403, ...
  "cut": K           after K bytes of each download close the connection ("cut_times": N: that often)
  "stall": K         after K bytes of a download say nothing more for "stall_seconds" (60)
  "wrong": true      one byte of each download is another
  "ignore_range"     a range gets the whole body with 200
  "range_shift": N   a range gets 206 from N bytes further on
  "redirect": "http://host:port"  downloads go there, to the same path
  "expired": N       the actions of the next N batches are past their time ("expired_at": as a date)
  "links"            `_links` instead of `actions`
  "authenticated"    say so, put an Authorization of the action into its header, and want exactly that
  "bare": true       download objects get neither actions nor an error
  "chunked"          the upload action asks for Transfer-Encoding: chunked
  "object_error": N  each object gets this error code
  "hash_algo": ".."  named in the answer
  "batch_max": N     413 for more objects
  "batch_body": ".." answered instead of JSON
  "header_flood": N  so many further response headers to downloads
"""
import argparse
import base64
import hashlib
import json
import os
import re
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MEDIA = "application/vnd.git-lfs+json"
OBJECT = re.compile(r"^(?P<root>.*/info/lfs)/objects/(?P<oid>[0-9a-f]{64})$")
ACTION_TOKEN = "Basic " + base64.b64encode(b"action:secret").decode()
BLOCK = 1 << 20


class LfsService:
    """What a server keeps: its folder, who may come in, the faults that are on, what it was asked."""

    def __init__(self, folder, user=None, password=None):
        self.folder = folder
        self.login = None
        if user is not None:
            self.login = "Basic " + base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        self.faults = {}
        self.seen = []
        self.lock = threading.Lock()

    # ---- what is kept ----

    def path(self, oid):
        return os.path.join(self.folder, oid[:2], oid[2:4], oid)

    def has(self, oid, size):
        path = self.path(oid)
        return os.path.isfile(path) and os.path.getsize(path) == size

    def take(self, name, default=None):
        """A fault that is used up by count."""
        with self.lock:
            left = self.faults.get(name, default)
            if isinstance(left, int) and not isinstance(left, bool) and left > 0:
                self.faults[name] = left - 1
            return left

    def planned(self, where):
        """The answer that a fault wants here, or None."""
        with self.lock:
            for answer in self.faults.get("answers", []):
                if answer["where"] != where or answer.get("times", 1) <= 0:
                    continue
                if "times" in answer:
                    answer["times"] -= 1
                return answer
        return None

    # ---- requests ----

    def handle(self, request):
        path = request.path.split("?")[0]
        match = OBJECT.match(path)
        if path.startswith("/_"):
            self.control(request, path)
        elif request.command == "POST" and path.endswith("/info/lfs/objects/batch"):
            self.asked(request, "batch", lambda: self.batch(request, path[: -len("/objects/batch")]))
        elif request.command == "POST" and path.endswith("/info/lfs/verify"):
            self.asked(request, "verify", lambda: self.verify(request))
        elif request.command in ("GET", "HEAD") and match:
            self.asked(request, "download", lambda: self.download(request, match["oid"]))
        elif request.command == "PUT" and match:
            self.asked(request, "upload", lambda: self.upload(request, match["oid"]))
        elif "/info/lfs/" in path:
            self.asked(request, "other", lambda: refuse(request))
        else:
            return False
        return True

    def control(self, request, path):
        body = read_body(request)
        if path == "/_faults":
            with self.lock:
                self.faults = json.loads(body or b"{}")
            send(request, 200, {})
        elif path == "/_forget":
            with self.lock:
                self.seen = []
            send(request, 200, {})
        elif path == "/_seen":
            with self.lock:
                seen = list(self.seen)
            send(request, 200, seen)
        else:
            send(request, 404, {})

    def asked(self, request, where, answer):
        entry = {
            "where": where,
            "method": request.command,
            "path": request.path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
        }
        with self.lock:
            self.seen.append(entry)
        planned = self.planned(where)
        if planned:
            drain(request)
            body = planned.get("body", json.dumps({"message": "as the test wants"}))
            send_bytes(request, planned["status"], body.encode(), MEDIA, planned.get("headers", {}))
        elif self.let_in(request, where):
            answer()

    def let_in(self, request, where):
        wanted = self.login
        if self.faults.get("authenticated") and where in ("download", "upload", "verify"):
            wanted = ACTION_TOKEN
        if wanted is None or request.headers.get("Authorization") == wanted:
            return True
        drain(request)
        headers = {"WWW-Authenticate": 'Basic realm="lfs"', "LFS-Authenticate": 'Basic realm="lfs"'}
        send(request, 401, {"message": "Credentials needed"}, headers)
        return False

    def batch(self, request, root):
        asked = json.loads(read_body(request))
        with self.lock:
            self.seen[-1]["body"] = asked
        limit = self.faults.get("batch_max")
        if limit is not None and len(asked["objects"]) > limit:
            return send(request, 413, {"message": "too many objects"})
        if "batch_body" in self.faults:
            return send_bytes(request, 200, self.faults["batch_body"].encode(), MEDIA)
        if request.headers.get("Accept", "").split(";")[0] != MEDIA:
            return send(request, 406, {"message": "wrong Accept"})
        expired = self.take("expired", 0) > 0
        base = f"{'https' if is_tls(request) else 'http'}://{request.headers['Host']}{root}"
        answer = {"transfer": "basic", "objects": []}
        if "hash_algo" in self.faults:
            answer["hash_algo"] = self.faults["hash_algo"]
        for wanted in asked["objects"]:
            answer["objects"].append(self.object(asked["operation"], base, wanted, expired))
        return send(request, 200, answer)

    def object(self, operation, base, wanted, expired):
        oid, size = wanted["oid"], wanted["size"]
        out = {"oid": oid, "size": size}
        error = self.faults.get("object_error")
        if error is None and operation == "download" and not self.has(oid, size):
            error = 404
        if error is not None:
            out["error"] = {"code": error, "message": "Object does not exist" if error == 404 else "no"}
            return out
        if operation == "download" and self.faults.get("bare") or operation == "upload" and self.has(oid, size):
            return out
        action = {"href": f"{base}/objects/{oid}", "header": {"X-Action": operation}, "expires_in": 3600}
        if expired:
            action["expires_in"] = -1
            if self.faults.get("expired_at"):
                del action["expires_in"]
                action["expires_at"] = "2001-02-03T04:05:06Z"
        if self.faults.get("authenticated"):
            out["authenticated"] = True
            action["header"]["Authorization"] = ACTION_TOKEN
        if operation == "upload" and self.faults.get("chunked"):
            action["header"]["Transfer-Encoding"] = "chunked"
        actions = {operation: action}
        if operation == "upload":
            actions["verify"] = dict(action, href=f"{base}/verify", header={**action["header"], "X-Action": "verify"})
            actions["verify"]["header"].pop("Transfer-Encoding", None)
        out["_links" if self.faults.get("links") else "actions"] = actions
        return out

    def verify(self, request):
        asked = json.loads(read_body(request))
        good = self.has(asked["oid"], asked["size"])
        send(request, 200 if good else 404, {} if good else {"message": "not here"})

    def download(self, request, oid):
        if "redirect" in self.faults:
            return send_bytes(request, 302, b"", MEDIA, {"Location": self.faults["redirect"] + request.path})
        path = self.path(oid)
        if not os.path.isfile(path):
            return send(request, 404, {"message": "Object does not exist"})
        size = os.path.getsize(path)
        begin = 0
        asked = re.match(r"bytes=(\d+)-(\d*)$", request.headers.get("Range", ""))
        if asked and not self.faults.get("ignore_range"):
            begin = int(asked[1]) + self.faults.get("range_shift", 0)
            if begin >= size:
                return send_bytes(request, 416, b"", MEDIA, {"Content-Range": f"bytes */{size}"})
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(size - begin))
        request.send_header("Content-Type", "application/octet-stream")
        for i in range(self.faults.get("header_flood", 0)):
            request.send_header(f"X-Flood-{i}", "x" * 1000)
        request.end_headers()
        if request.command != "HEAD":
            self.send_file(request, path, begin, size)
        return None

    def send_file(self, request, path, begin, size):
        end = size
        cut = self.faults.get("cut")
        if cut is not None and ("cut_times" not in self.faults or self.take("cut_times") > 0):
            end = min(end, begin + cut)
        stall = self.faults.get("stall")
        request.wfile.flush()
        with open(path, "rb") as file:
            if self.faults.get("wrong"):
                data = bytearray(file.read())
                data[len(data) // 2] ^= 1
                request.connection.sendall(data[begin:end])
            elif stall is not None:
                file.seek(begin)
                request.connection.sendall(file.read(stall))
                time.sleep(self.faults.get("stall_seconds", 60))
                request.close_connection = True
                return
            else:
                request.connection.sendfile(file, begin, end - begin)
        if end < size:
            request.close_connection = True

    def upload(self, request, oid):
        os.makedirs(self.folder, exist_ok=True)
        digest = hashlib.sha256()
        fd, temporary = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(fd, "wb") as file:
            for block in blocks(request):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != oid:
            os.unlink(temporary)
            return send(request, 422, {"message": "the bytes are not what the name says"})
        os.makedirs(os.path.dirname(self.path(oid)), exist_ok=True)
        os.replace(temporary, self.path(oid))
        return send_bytes(request, 200, b"", MEDIA)


# ---- bytes ----


def is_tls(request):
    return isinstance(request.connection, ssl.SSLSocket)


def blocks(request):
    """The body of a request, whether its length is told or it comes in chunks."""
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        while True:
            size = int(request.rfile.readline().split(b";")[0], 16)
            if size:
                yield request.rfile.read(size)
            request.rfile.readline()
            if not size:
                return
    left = int(request.headers.get("Content-Length") or 0)
    while left:
        block = request.rfile.read(min(left, BLOCK))
        if not block:
            raise ConnectionError("cut off")
        left -= len(block)
        yield block


def read_body(request):
    return b"".join(blocks(request))


def drain(request):
    for _ in blocks(request):
        pass


def refuse(request):
    drain(request)
    send(request, 404, {"message": "Not Found"})


def send(request, status, value, headers=None):
    send_bytes(request, status, json.dumps(value).encode(), MEDIA, headers)


def send_bytes(request, status, body, media, headers=None):
    request.send_response(status)
    request.send_header("Content-Type", media)
    request.send_header("Content-Length", str(len(body)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


# ---- alone ----


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    service = None

    def answer(self):
        try:
            if not self.service.handle(self):
                refuse(self)
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def handle_expect_100(self):
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    do_GET = do_PUT = do_POST = do_HEAD = answer

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that went away is what tests do


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--user")
    arguments.add_argument("--password")
    arguments.add_argument("--certificate")
    arguments.add_argument("--key")
    options = arguments.parse_args()
    service = LfsService(options.folder, options.user, options.password)
    server = Server(("127.0.0.1", 0), type("LfsHandler", (Handler,), {"service": service}))
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
