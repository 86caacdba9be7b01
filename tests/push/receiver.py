"""
An engine that keeps profiles, as far as "ngstap flame --push" needs one: receiver.py FOLDER. Listens
on 127.0.0.1, the port is in FOLDER/port. POST /ingest is checked by the published format ("Server
HTTP API" of Pyroscope) and kept: FOLDER/query.json, FOLDER/profile.pb.gz. What begins with /refuse,
/stall or /die answers so. Ends when FOLDER goes away, or after five minutes.
"""
import email
import email.policy
import gzip
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FOLDER = sys.argv[1]


class Receiver(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        url = urlsplit(self.path)
        if url.path.startswith("/stall"):
            return time.sleep(100)
        if url.path.startswith("/die"):
            return self.connection.close()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if url.path.startswith("/refuse"):
            return self.answer(422, "no \x1b[31mroom\nfor it")
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        parts = list(email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts())
        try:
            assert url.path == "/ingest", "another path"
            assert query["format"] == "pprof" and query["name"], "another format, or no name"
            assert 0 < int(query["until"]) - int(query["from"]) < 60, "no time"
            assert abs(int(query["until"]) - time.time()) < 60, "another time"
            assert len(parts) == 1, "several parts"
            assert parts[0].get_param("name", header="content-disposition") == "profile", "a name"
            gzip.decompress(parts[0].get_payload(decode=True))
        except (AssertionError, KeyError, OSError) as e:
            return self.answer(400, f"{e!r}")
        with open(FOLDER + "/query.json", "w", encoding="utf-8") as f:
            json.dump(query, f)
        with open(FOLDER + "/profile.pb.gz", "wb") as f:
            f.write(parts[0].get_payload(decode=True))
        return self.answer(200, "{}")


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(FOLDER + "/port.new", "w", encoding="utf-8") as port:
    port.write(str(server.server_port))
os.rename(FOLDER + "/port.new", FOLDER + "/port")
for _ in range(300):
    time.sleep(1)
    if not os.path.exists(FOLDER):
        break
