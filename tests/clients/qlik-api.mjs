// Calls every operation of the published client `@qlik/api` on a server on loopback.
//
// node qlik-api.mjs URL KEY

import assert from "node:assert/strict";
import { auth } from "@qlik/api";
import webhooks from "@qlik/api/webhooks";

const [host, apiKey] = process.argv.slice(2);
auth.setDefaultHostConfig({ authType: "apikey", host, apiKey });

const missing = async (request) => {
  const error = await request.then(() => null, (error) => error);
  assert.equal(error?.status, 404);
  assert.equal(error.data.errors[0].code, "not-found");
};

const types = await webhooks.getWebhookEventTypes();
assert.equal(types.data.data.length, 23);

const document = {
  name: "js",
  url: "https://hooks.example.com/",
  level: "tenant",
  enabled: true,
  eventTypes: ["com.qlik.v1.app.created"],
};
const created = await webhooks.createWebhook(document);
assert.equal(created.status, 201);
const { id } = created.data;
for (let n = 0; n < 3; n += 1) await webhooks.createWebhook({ ...document, name: `js${n}` });

const query = { limit: 2, enabled: true, sort: "+name", eventTypes: document.eventTypes[0] };
const first = await webhooks.getWebhooks(query, { noCache: true });
const names = (page) => page.data.data.map((webhook) => webhook.name);
assert.deepEqual(names(first), ["js", "js0"]);
const second = await first.next();
assert.deepEqual(names(second), ["js1", "js2"]);
assert.deepEqual(names(await second.prev()), ["js", "js0"]);

assert.equal((await webhooks.getWebhook(id)).data.id, id);
const patch = [{ op: "replace", path: "/name", value: "js patched" }];
assert.equal((await webhooks.patchWebhook(id, patch)).status, 204);
const replaced = await webhooks.updateWebhook(id, { ...document, name: "js put" });
assert.equal(replaced.data.name, "js put");

const deliveries = await webhooks.getWebhookDeliveries(id, { status: "fail", limit: 5 });
assert.deepEqual(deliveries.data.data, []);
await missing(webhooks.getWebhookDelivery(id, "none"));
await missing(webhooks.resendWebhookDelivery(id, "none"));

assert.equal((await webhooks.deleteWebhook(id)).status, 204);
await missing(webhooks.getWebhook(id, { noCache: true }));
