// The wallboard over TLS: the page and its files over HTTP/2, and its WebSocket over a connection of HTTP/1.1, which
// browsers open because the service does not offer WebSockets within HTTP/2.
//
//   node secured.mjs BASE_URL ADMIN_TOKEN
//
// NODE_EXTRA_CA_CERTS is the service's certificate, CHROMIUM the browser's program.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

import { FLAGS } from "./flags.mjs";
import { stage } from "./stage.mjs";

const [base, admin] = process.argv.slice(2);
const key = await stage(base, admin);
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
const made = await fetch(`${base}/v1/wallboards/default/links`, { method: "POST", headers, body: "{}" });
const { path } = await made.json();
const args = [...FLAGS, "--ignore-certificate-errors"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args });
try {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(base + path);
  await page.getByText("Live", { exact: true }).waitFor();
  const protocols = await page.evaluate(() =>
    ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type)).map((one) => one.nextHopProtocol));
  assert.ok(protocols.length > 5 && protocols.every((protocol) => protocol === "h2"), protocols.join(" "));
  assert.deepEqual(sockets, [`${base.replace("https", "wss")}/graphql`]);
  console.log(`   /wallboard over TLS: ${protocols.length} answers over HTTP/2, live over a WebSocket`);
} finally {
  await browser.close();
}
