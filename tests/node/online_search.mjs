// Searches for customers in the ERP as a till does, knowing only what the AsyncAPI document says:
// node online_search.mjs DOCUMENT AMQP_URL PHRASE
// Prints the answer as JSON. Ends with 2 when there was none in time, with 1 when something failed.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect } from "amqplib";

const QUESTION = "customer.search";
const PROPERTY_NAMES = { user_id: "userId", correlation_id: "correlationId", delivery_mode: "deliveryMode" };

const [path, url, phrase] = process.argv.slice(2);
const described = JSON.parse(await readFile(path, "utf8"));

/** What a reference leads to. */
function follow(node) {
  if (!node.$ref) return node;
  const steps = node.$ref.slice(2).split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  return follow(steps.reduce((here, step) => here[step], described));
}

/** An address or name with its parameters filled in. */
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** The operation by which a till asks this question. */
function findAsking(question) {
  return Object.values(described.operations).find(
    (one) =>
      one.action === "send" &&
      one.reply &&
      one.tags.some((tag) => follow(tag).name === "till") &&
      one.messages.some((message) => follow(message).name === question),
  );
}

const asking = findAsking(QUESTION);
const message = asking.messages.map(follow).find((one) => one.name === QUESTION);
const channel = follow(asking.channel);
const binding = asking.bindings.amqp;
const user = decodeURIComponent(new URL(url).username);
const template = asking.security.map(follow).find((one) => one["x-user"])["x-user"];
const posId = user.slice(template.indexOf("{"));
const values = { pos_id: posId };
const replyQueue = fill(follow(asking.reply.channel).address, values);

const correlationId = randomUUID();
const properties = {
  userId: fill(binding.userId, values),
  correlationId,
  expiration: String(binding.expiration),
  deliveryMode: binding.deliveryMode,
  mandatory: binding.mandatory,
  type: message.bindings.amqp.messageType,
  contentType: message.contentType,
};
for (const name of follow(message.headers).required) {
  if (properties[PROPERTY_NAMES[name] ?? name] === undefined) throw new Error(`no value for the property ${name}`);
}

const example = message.examples.find((one) => one.name === "minimal").payload;
const payload = structuredClone(example);
Object.assign(payload, { id: randomUUID(), occurred_at: new Date().toISOString(), origin: user });
payload.data.criteria.phrase = phrase;

const connection = await connect(url);
connection.on("error", fail);
const conversation = await connection.createChannel();
conversation.on("error", fail);
conversation.on("return", () => fail(new Error("no queue takes the question")));
const deadline = setTimeout(() => finish(2), binding.expiration);

await conversation.consume(
  replyQueue,
  (delivery) => {
    if (delivery?.properties.correlationId !== correlationId) return;
    const answer = JSON.parse(delivery.content.toString("utf8"));
    const expected = asking.reply.messages.map((one) => follow(one).name);
    if (!expected.includes(answer.type)) return fail(new Error(`${answer.type} is no answer to ${QUESTION}`));
    console.log(JSON.stringify(answer));
    finish(0);
  },
  { noAck: true },
);
conversation.publish(channel.bindings.amqp.exchange.name, channel.address, Buffer.from(JSON.stringify(payload)), properties);

function fail(error) {
  console.error(String(error?.message ?? error));
  finish(1);
}

async function finish(code) {
  clearTimeout(deadline);
  process.exitCode = code;
  await connection.close().catch(() => {});
}
