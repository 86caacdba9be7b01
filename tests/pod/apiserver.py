"""
A Kubernetes API server as far as kubectl-ngstap needs one: apiserver.py FOLDER NGSTAP POD. Listens
on 127.0.0.1; writes the port to FOLDER/port, requests to FOLDER/requests, each pod that is made to
FOLDER/pods/NAME.json. There is one pod at first, shop/POD, on node-1. What is to be run in a pod
runs here, NGSTAP for ngstap, and its output goes back by WebSocket (v5.channel.k8s.io; kubectl has
it since 1.31). Ends when FOLDER goes away, or after five minutes.
"""
import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FOLDER, NGSTAP, POD = sys.argv[1:4]
STDOUT, STDERR, RESULT = 1, 2, 3  # channels
pods = {("shop", POD): {"metadata": {"name": POD, "namespace": "shop"},
                          "spec": {"nodeName": "node-1"}, "status": {"phase": "Running"}}}


def ready(pod):
    return {"apiVersion": "v1", "kind": "Pod", **pod,
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        with open(FOLDER + "/requests", "a", encoding="utf-8") as f:
            f.write(f"{self.command} {self.path}\n")

    def answer(self, what, status=200):
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, name):
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                     "reason": "NotFound", "message": f'pods "{name}" not found'}, 404)

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        part = url.path.strip("/").split("/")
        if url.path == "/api":
            return self.answer({"kind": "APIVersions", "versions": ["v1"]})
        if url.path == "/apis":
            return self.answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
        if url.path == "/api/v1":
            return self.answer({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod",
                 "verbs": ["get", "list", "watch", "create", "delete"]}]})
        if part[:3] != ["api", "v1", "namespaces"] or len(part) < 5:
            return self.refuse(url.path)
        if len(part) == 5:
            name = query["fieldSelector"][0].split("=")[1]
            found = [ready(p) for k, p in pods.items() if k == (part[3], name)]
            if "watch" not in query:
                return self.answer({"kind": "PodList", "apiVersion": "v1", "items": found,
                                    "metadata": {"resourceVersion": "1"}})
            return self.answer({"type": "ADDED", "object": found[0]})
        if (part[3], part[5]) not in pods:
            return self.refuse(part[5])
        if len(part) == 7 and part[6] == "exec":
            return self.run(query["command"])
        return self.answer(ready(pods[part[3], part[5]]))

    def do_POST(self):
        part = urlsplit(self.path).path.strip("/").split("/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["metadata"]["name"]
        pods[part[3], name] = body
        with open(f"{FOLDER}/pods/{name}.json", "w", encoding="utf-8") as f:
            json.dump(body, f)
        self.answer(ready(body), 201)

    def do_DELETE(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        part = urlsplit(self.path).path.strip("/").split("/")
        if pods.pop((part[3], part[5]), None) is None:
            return self.refuse(part[5])
        return self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    # ---- exec ----

    def send(self, channel, data):
        n = len(data) + 1
        head = bytes([0x82]) + (bytes([n]) if n < 126 else bytes([126]) + struct.pack(">H", n))
        self.wfile.write(head + bytes([channel]) + data)

    def pump(self, stream, channel):
        while data := stream.read1(32000):
            with self.lock:
                self.send(channel, data)

    def run(self, command):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.send_header("Sec-WebSocket-Accept",
                         base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.lock = threading.Lock()
        command[0] = NGSTAP if command[0] == "ngstap" else command[0]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            pumps = [threading.Thread(target=self.pump, args=a)
                     for a in ((p.stdout, STDOUT), (p.stderr, STDERR))]
            for t in pumps:
                t.start()
            for t in pumps:
                t.join()
        result = {"metadata": {}, "status": "Success"}
        if p.returncode:
            result = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                      "message": f"command terminated with exit code {p.returncode}",
                      "details": {"causes": [{"reason": "ExitCode", "message": str(p.returncode)}]}}
        self.send(RESULT, json.dumps(result).encode())
        self.wfile.write(bytes([0x88, 2, 3, 0xe8]))  # close: 1000
        self.close_connection = True


os.makedirs(FOLDER + "/pods", exist_ok=True)
server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(FOLDER + "/port.new", "w", encoding="utf-8") as port:
    port.write(str(server.server_port))
os.rename(FOLDER + "/port.new", FOLDER + "/port")
for _ in range(300):
    time.sleep(1)
    if not os.path.exists(FOLDER):
        break
