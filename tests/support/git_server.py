#!/usr/bin/env python3
"""A git server for walks: git http-backend and a Git LFS endpoint behind one small HTTP server.

git_server.py FOLDER [--user U --password P] [--redirect-to URL] [--stall] [--drop-after N] [--tls CERT KEY] [--log FILE]
serves the repositories below FOLDER, and FOLDER/X.git/info/lfs for each, on 127.0.0.1; its port is the first line
that it prints; it ends when its standard input does. http.receivepack is the repository's own to allow.

  --redirect-to URL  each request is sent to the same path there (302)
  --stall            half of the answer to a POST of git, then nothing
  --drop-after N     N bytes of the answer to a POST of git, then the end of the connection
  --log FILE         a line for each request: method, path, user or "-"

To a client that takes it for its proxy it is every host: "GET http://any.example/x.git/..." finds FOLDER/x.git; a
CONNECT is tunnelled to where it says.
"""
import argparse
import base64
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lfs_service import LfsService, read_body  # noqa: E402

STALL_SECONDS = 120


def make_handler(args, lfs, log):
    login = f"{args.user}:{args.password or ''}" if args.user is not None else None

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def given(self):
            value = self.headers.get("Authorization", "")
            return base64.b64decode(value[6:]).decode() if value.startswith("Basic ") else ""

        def answer(self, status, fields, body=b""):
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "POST" or status != 200 or not (args.stall or args.drop_after is not None):
                return self.wfile.write(body)
            self.wfile.write(body[: len(body) // 2 if args.stall else args.drop_after])
            self.wfile.flush()
            if args.stall:
                time.sleep(STALL_SECONDS)
            self.close_connection = True
            return self.connection.close()

        def backend(self, body):
            path, _, query = self.path.partition("?")
            env = dict(
                os.environ,
                GIT_PROJECT_ROOT=args.folder,
                GIT_HTTP_EXPORT_ALL="1",
                REQUEST_METHOD=self.command,
                PATH_INFO=path,
                QUERY_STRING=query,
                CONTENT_TYPE=self.headers.get("Content-Type", ""),
                CONTENT_LENGTH=str(len(body)),
                REMOTE_USER=args.user or "anyone",
                REMOTE_ADDR="127.0.0.1",
            )
            for name in ("Content-Encoding", "Git-Protocol"):
                if self.headers.get(name):
                    env["HTTP_" + name.upper().replace("-", "_")] = self.headers[name]
            out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=False).stdout
            head, _, rest = out.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            self.answer(int(fields.pop("Status", "200").split()[0]), fields, rest)

        def tunnel(self):
            log.write("%s %s -\n" % (self.command, self.path))
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as there:
                self.send_response(200)
                self.end_headers()
                self.wfile.flush()
                here, others = self.connection, {self.connection: there, there: self.connection}
                while others:
                    for ready in select.select(list(others), [], [])[0]:
                        piece = ready.recv(1 << 16)
                        if not piece:
                            others = {}
                            break
                        others[ready].sendall(piece)
                here.shutdown(socket.SHUT_WR)
            self.close_connection = True

        def go(self):
            log.write("%s %s %s\n" % (self.command, self.path, self.given().partition(":")[0] or "-"))
            if self.path.startswith("http://"):
                self.path = "/" + self.path.split("/", 3)[3]
            if args.redirect_to:
                read_body(self)
                return self.answer(302, {"Location": args.redirect_to.rstrip("/") + self.path})
            if "/info/lfs/" in self.path and lfs.handle(self):
                return None
            body = read_body(self)
            if login is not None and self.given() != login:
                return self.answer(401, {"WWW-Authenticate": 'Basic realm="here"'})
            return self.backend(body)

        do_GET = do_POST = do_PUT = do_HEAD = go
        do_CONNECT = tunnel

    return Handler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--redirect-to")
    parser.add_argument("--stall", action="store_true")
    parser.add_argument("--drop-after", type=int)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--log", default=os.devnull)
    args = parser.parse_args()
    args.folder = os.path.abspath(args.folder)
    lfs = LfsService(os.path.join(args.folder, ".lfs"), args.user, args.password)
    with open(args.log, "a", buffering=1, encoding="utf-8") as log:
        server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(args, lfs, log))
        server.daemon_threads = True
        if args.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*args.tls)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()


main()
