"""Every operation of the published client `qlik-sdk`, against a server on loopback.

python qlik-sdk.py URL KEY
"""

import sys

from qlik_sdk import AuthType, Config, Qlik
from qlik_sdk.apis.Webhooks import WebhookPatch

host, key = sys.argv[1:]
webhooks = Qlik(Config(host=host, auth_type=AuthType.APIKey, api_key=key)).webhooks


def missing(request, *arguments):
    try:
        request(*arguments)
    except Exception as error:  # the client has no type of its own for it
        assert "404" in str(error), error
    else:
        raise AssertionError("it is there")


assert len(webhooks.get_event_types().data) == 23

document = dict(
    name="py",
    url="https://hooks.example.com/",
    level="tenant",
    enabled=True,
    eventTypes=["com.qlik.v1.app.created"],
)
created = webhooks.create(document)
assert created.name == "py", created
for number in range(3):
    webhooks.create(dict(document, name=f"py{number}"))

# This client sends `True`, and `eventType`.
page = webhooks.get_webhooks(limit=2, enabled=True, eventType=document["eventTypes"][0], name="py*")
assert len(page) == 2, page
assert len(list(page.pagination)) == 4

webhook = webhooks.get(created.id)
webhook.patch([WebhookPatch(op="replace", path="/name", value="py patched")])
assert webhooks.get(created.id).name == "py patched"
webhook.set(dict(document, name="py put"))
assert webhooks.get(created.id).name == "py put"

assert len(webhook.get_deliveries(limit=3, status="fail")) == 0
missing(webhook.get_delivery, "none")
missing(webhook.resend_delivery, "none")

webhook.delete()
missing(webhooks.get, created.id)
