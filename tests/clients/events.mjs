// Sends events by the CloudEvents SDK in every mode, and verifies their deliveries by
// `standardwebhooks`.
//
// node events.mjs URL ADMINISTRATORS_KEY PRODUCERS_KEY

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";

const [url, administrator, producer] = process.argv.slice(2);
const secret = "0123456789abcdef0123456789abcdef";
const type = "com.qlik.v1.app.created";

const arrived = [];
const receiver = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  arrived.push({ headers: request.headers, body: Buffer.concat(parts) });
  response.end();
  receiver.emit("arrived");
}).listen(0, "127.0.0.1");
await once(receiver, "listening");

const post = async (path, key, body, headers) => {
  const authorization = { Authorization: `Bearer ${key}` };
  const answer = await fetch(url + path, { method: "POST", body, headers: { ...headers, ...authorization } });
  return { status: answer.status, body: await answer.json() };
};

const document = {
  name: "js",
  url: `http://127.0.0.1:${receiver.address().port}/hook`,
  enabled: true,
  eventTypes: [type],
  secret,
};
const json = { "Content-Type": "application/json" };
const created = await post("/api/v1/webhooks", administrator, JSON.stringify(document), json);
assert.equal(created.status, 201);

const event = (id, data, more) =>
  new CloudEvent({ id, type, source: "com.qlik/js", tenantid: "default", ...more, data });
const data = { id: "a1", name: "é" };
const events = [
  event("binary", data, { subject: "sales" }),
  event("text", "plain text", { datacontenttype: "text/plain" }),
  event("structured", data, { subject: "sales" }),
  event("bytes", new Uint8Array([0, 255]), { datacontenttype: "application/octet-stream" }),
  event("batch-1", data),
  event("batch-2", data),
];

const send = async ({ body, headers }, sent) => {
  const answer = await post("/api/v1/events", producer, body, headers);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const found = answer.body.results.map(({ id, webhooks }) => [id, webhooks]);
  assert.deepEqual(found, sent.map(({ id }) => [id, 1]));
};
for (const one of events.slice(0, 2)) await send(HTTP.binary(one), [one]);
for (const one of events.slice(2, 4)) await send(HTTP.structured(one), [one]);
const batch = events.slice(4);
const headers = { "Content-Type": "application/cloudevents-batch+json" };
await send({ headers, body: `[${batch.map((one) => HTTP.structured(one).body).join(",")}]` }, batch);

const signal = AbortSignal.timeout(30_000);
while (arrived.length < events.length) await once(receiver, "arrived", { signal });

// In any order: deliveries have none between events.
const webhook = new Webhook(`whsec_${Buffer.from(secret).toString("base64")}`);
const delivered = new Map();
for (const { headers, body } of arrived) {
  const found = new CloudEvent(webhook.verify(body, headers));
  delivered.set(found.id, found);
}
for (const sent of events) {
  const found = delivered.get(sent.id);
  for (const name of ["type", "source", "tenantid", "subject", "data_base64"]) {
    assert.equal(found[name], sent[name], `${sent.id}: ${name}`);
  }
  if (sent.data_base64 === undefined) assert.deepEqual(found.data, sent.data, sent.id);
}

// Events that were accepted are duplicates when they are sent again.
const again = HTTP.structured(events[2]);
const answer = await post("/api/v1/events", producer, again.body, again.headers);
assert.equal(answer.body.results[0].duplicate, true);
receiver.close();
receiver.closeAllConnections();
