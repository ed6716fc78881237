#!/usr/bin/env python3
"""git http-backend behind a small server with faults: git_http.py FOLDER

Serves the repositories below FOLDER, on two ports: FOLDER/port and FOLDER/port2 hold them; and over TLS on a third,
FOLDER/port_tls, when there is a FOLDER/tls.pem with certificate and key. Every request is a line of
FOLDER/log: port, method, path, login. The first part of a path may be a wish, the rest is the path then:
  locked  wants the login ann:right (or hf_user:t0ken9)      moved   redirects to localhost and the other port
  scheme  redirects to ssh                                  stall   sends half of an answer to a POST, then nothing
  drop    sends half of it, then closes                     denied  403
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading
import time

root = sys.argv[1]
log = open(os.path.join(root, "log"), "a", buffering=1)
servers = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def empty(self, status, *header):
        self.send_response(status)
        if header:
            self.send_header(*header)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def login(self):
        given = self.headers.get("Authorization", "")
        return base64.b64decode(given[6:]).decode() if given.startswith("Basic ") else given

    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while True:
            size = int(self.rfile.readline(), 16)
            whole += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return whole

    def backend(self, path, query, body):
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", REQUEST_METHOD=self.command, PATH_INFO=path,
                   QUERY_STRING=query, CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)),
                   REMOTE_USER="ann", REMOTE_ADDR="127.0.0.1")
        for name in ("Content-Encoding", "Git-Protocol"):
            if self.headers.get(name):
                env["HTTP_" + name.upper().replace("-", "_")] = self.headers[name]
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=False).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        return int(fields.pop("Status", "200").split()[0]), fields, rest

    def go(self):
        path, _, query = self.path.partition("?")
        port = self.server.server_port
        log.write("%d %s %s %s\n" % (port, self.command, self.path, self.login() or "-"))
        wish, _, rest = path[1:].partition("/")
        target = "/" + rest + ("?" + query if query else "")
        if wish == "moved":
            other = servers[1] if port == servers[0].server_port else servers[0]
            return self.empty(302, "Location", "http://localhost:%d%s" % (other.server_port, target))
        if wish == "scheme":
            return self.empty(302, "Location", "ssh://127.0.0.1" + target)
        if wish == "denied":
            return self.empty(403)
        if wish == "locked" and self.login() not in ("ann:right", "hf_user:t0ken9"):
            return self.empty(401, "WWW-Authenticate", 'Basic realm="here"')
        body = self.body()
        status, fields, answer = self.backend("/" + rest if wish in ("locked", "stall", "drop") else path, query, body)
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if wish in ("stall", "drop") and self.command == "POST":
            self.wfile.write(answer[:len(answer) // 2])
            self.wfile.flush()
            if wish == "stall":
                time.sleep(30)
            self.close_connection = True
            return self.connection.close()
        return self.wfile.write(answer)

    do_GET = do_POST = go


def start(name, context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(os.path.join(root, name + ".tmp"), "w", encoding="ascii") as file:
        file.write(str(server.server_port))
    os.rename(os.path.join(root, name + ".tmp"), os.path.join(root, name))
    return server


if os.path.exists(os.path.join(root, "tls.pem")):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.path.join(root, "tls.pem"))
    start("port_tls", tls)
servers.append(start("port2"))
servers.insert(0, start("port"))
time.sleep(240)
