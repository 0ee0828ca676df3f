"""Events by the CloudEvents SDK in every mode, and their deliveries verified by `standardwebhooks`.

python events.py URL ADMINISTRATORS_KEY PRODUCERS_KEY
"""

import base64
import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook

url, administrator, producer = sys.argv[1:]
SECRET = "0123456789abcdef0123456789abcdef"
TYPE = "com.qlik.v1.app.created"
arrived = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        arrived.put((dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()


def post(path, key, body, headers):
    headers = {**headers, "Authorization": f"Bearer {key}"}
    with urlopen(Request(url + path, body, headers)) as answer:
        return answer.status, json.load(answer)


document = {
    "name": "py",
    "url": f"http://127.0.0.1:{receiver.server_port}/hook",
    "enabled": True,
    "eventTypes": [TYPE],
    "secret": SECRET,
}
as_json = {"Content-Type": "application/json"}
status, _ = post("/api/v1/webhooks", administrator, json.dumps(document).encode(), as_json)
assert status == 201


def event(identifier, data, **more):
    attributes = {"id": identifier, "type": TYPE, "source": "com.qlik/py", "tenantid": "default"}
    return CloudEvent({**attributes, **more}, data)


data = {"id": "a1", "name": "é"}
events = [
    event("binary", data, datacontenttype="application/json", subject="50 % é"),
    event("text", "déjà vu", datacontenttype="text/plain; charset=utf-8"),
    event("bytes", b"\x00\xff", datacontenttype="application/octet-stream"),
    event("structured", data, subject="50 % é"),
    event("structured-bytes", b"\x00\xff", datacontenttype="application/octet-stream"),
    event("batch-1", data),
    event("batch-2", data),
]


def send(body, headers, expected):
    status, answer = post("/api/v1/events", producer, body, headers)
    assert status == 202, answer
    found = [(result["id"], result["webhooks"]) for result in answer["results"]]
    assert found == [(identifier, 1) for identifier in expected], answer


for binary in events[:3]:
    message = to_binary_event(binary)
    send(message.body, message.headers, [binary.get_id()])
for structured in events[3:5]:
    message = to_structured_event(structured)
    send(message.body, message.headers, [structured.get_id()])
batch = b"[" + b",".join(to_structured_event(one).body for one in events[5:]) + b"]"
media_type = {"Content-Type": "application/cloudevents-batch+json"}
send(batch, media_type, [one.get_id() for one in events[5:]])

# In any order: deliveries have none between events.
found = {}
for _ in events:
    headers, body = arrived.get(timeout=30)
    whsec = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    Webhook(whsec).verify(body, headers)
    delivered = JSONFormat().read(None, body)
    found[delivered.get_id()] = delivered

for sent in events:
    delivered = found[sent.get_id()]
    assert delivered.get_data() == sent.get_data(), (sent.get_id(), delivered.get_data())
    for name in ["type", "source", "tenantid", "subject"]:
        expected, given = (one.get_attributes().get(name) for one in (sent, delivered))
        assert expected == given, (sent.get_id(), name, given)

# Events that were accepted are duplicates when they are sent again.
message = to_structured_event(events[3])
_, answer = post("/api/v1/events", producer, message.body, message.headers)
assert answer["results"][0]["duplicate"] is True, answer
