"""
Engines that keep profiles, as far as "ngstap flame", "push" and "agent" need them: receiver.py
FOLDER [CERTIFICATE KEY]. Listens on 127.0.0.1 (with TLS if there is a certificate), at $PORT if
that is said; the port is in FOLDER/port. Ends when FOLDER goes away, or after five minutes. Each
request is checked by the published format, and refused with 400 and why if it is not by it.

POST /ingest ("Server HTTP API" of Pyroscope) is kept: FOLDER/query.json, FOLDER/profile.pb.gz,
the last of each service as FOLDER/SERVICE.pb.gz; FOLDER/names has a line each.
POST /v1development/profiles (OTLP/HTTP) is kept: FOLDER/resource.json, FOLDER/headers.json,
FOLDER/stacks.folded, FOLDER/profile.otlp.gz, and counted in FOLDER/ids, by the profile's id.

What begins otherwise answers so: /refuse/STATUS with words, /busy/STATUS/SECONDS/TIMES with
Retry-After that many times (a date for "date"; no header for 0) before it is taken, /partial,
/warn, /stall, /trickle, /flood, /die, /cut, /elsewhere.
"""
import email
import email.policy
import email.utils
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import wire

FOLDER = sys.argv[1]
HOSTILE = "no \x1b[31mroom\nfor it"


def keep(name, data):
    mode = "wb" if isinstance(data, bytes) else "w"
    with open(f"{FOLDER}/{name}", mode, encoding=None if mode == "wb" else "utf-8") as f:
        f.write(data)


def varint(n):
    return bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80]) + varint(n >> 7)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def check_ingest(url, headers, body):
    query = {k: v[0] for k, v in parse_qs(url.query).items()}
    head = b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n"
    parts = list(email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts())
    wire.need(query["format"] == "pprof" and query["name"], "another format, or no name")
    wire.need(0 < int(query["until"]) - int(query["from"]) < 60, "no time")
    wire.need(abs(int(query["until"]) - time.time()) < 3600, "another time")
    wire.need(len(parts) == 1, "several parts")
    name = parts[0].get_param("name", header="content-disposition")
    wire.need(name == "profile", "a name")
    data = parts[0].get_payload(decode=True)
    wire.pprof_stacks(wire.pprof(data))
    keep("query.json", json.dumps(query))
    keep("profile.pb.gz", data)
    keep(query["name"].split("{")[0] + ".pb.gz", data)
    with open(f"{FOLDER}/names", "a", encoding="utf-8") as f:
        f.write(query["name"] + "\n")


def check_otlp(headers, body):
    wire.need(headers["Content-Type"] == "application/x-protobuf", "another type")
    wire.need(headers["Content-Encoding"] == "gzip", "not gzipped")
    request = wire.otlp(body)
    stacks, facts, profile = wire.otlp_stacks(request)
    strings = request["dictionary"]["string_table"]
    wire.need(facts.get("service.name"), "no service.name")
    wire.need(not any(ord(c) < 32 or ord(c) == 127 for v in facts.values() for c in str(v)),
              "a control character")
    wire.need(abs(profile["time_unix_nano"] / 1e9 - time.time()) < 3600, "another time")
    kind = wire.value_type(strings, profile["sample_type"])
    wire.need(kind == "cpu/nanoseconds" or not profile["period"], "a period of what has none")
    each = profile["period"] or 1
    wire.need(all(v % each == 0 for _, v in stacks), "values that are no whole samples")
    keep("resource.json", json.dumps(facts))
    keep("headers.json", json.dumps(dict(headers.items())))
    keep("stacks.folded", "".join(f"{';'.join(n)} {v // each}\n" for n, v in stacks))
    keep("profile.otlp.gz", body)
    with open(f"{FOLDER}/ids", "a", encoding="utf-8") as f:
        f.write(profile["profile_id"].hex() + "\n")


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    busy = {}

    def log_message(self, *_):
        pass

    def answer(self, status, text, headers=()):
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def failed(self, status, headers=()):
        """google.rpc.Status for who speaks OTLP, text for others."""
        text = HOSTILE.encode()
        if "protobuf" in self.headers["Content-Type"]:
            text = b"\x08\x03" + field(2, text)
        self.answer(status, text, headers)

    def misbehave(self, path):
        """True: that was all."""
        word = path.split("/")
        if word[1] == "stall":
            time.sleep(100)
        elif word[1] == "trickle":  # a header that never ends
            for _ in range(90):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX: " if not _ else b"x")
                self.wfile.flush()
                time.sleep(1)
        elif word[1] == "die":
            self.connection.close()
        elif word[1] == "cut":  # in the middle of an answer
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
            self.wfile.flush()
            self.connection.close()
        elif word[1] == "flood":  # more than anybody wants to hear
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n")
            for _ in range(99):
                self.wfile.write(bytes(1000000))
        else:
            return False
        self.close_connection = True
        return True

    def do_POST(self):
        url = urlsplit(self.path)
        word = url.path.split("/")
        try:
            if self.misbehave(url.path):
                return None
        except OSError:
            return None
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if word[1] == "refuse":
            return self.failed(int(word[2]))
        if word[1] == "elsewhere":
            return self.answer(302, "", [("Location", "/v1development/profiles")])
        if word[1] == "busy":
            done = self.busy.setdefault(url.path, [])
            done.append(time.time())
            keep("busy.json", json.dumps(done))
            if len(done) <= int(word[4]):
                after = email.utils.formatdate(time.time() + 2, usegmt=True)
                after = after if word[3] == "date" else word[3]
                return self.failed(int(word[2]), [("Retry-After", after)] if after != "0" else [])
        try:
            if url.path.endswith("/ingest"):
                check_ingest(url, self.headers, body)
            else:
                wire.need(url.path == "/v1development/profiles" or word[1] in
                          ("busy", "partial", "warn", "own"), f"another path {url.path}")
                check_otlp(self.headers, body)
        except (wire.Wrong, KeyError, TypeError, IndexError, OSError, UnicodeError) as e:
            return self.answer(400, f"{e!r}")
        if word[1] == "partial":
            return self.answer(200, field(1, b"\x08\x01" + field(2, b"of no use")))
        if word[1] == "warn":
            return self.answer(200, field(1, field(2, b"slow \x1bdown")))
        return self.answer(200, "")


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Receiver)
server.daemon_threads = True
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
keep("port.new", str(server.server_port))
os.rename(FOLDER + "/port.new", FOLDER + "/port")
for _ in range(300):
    time.sleep(1)
    if not os.path.exists(FOLDER):
        break
