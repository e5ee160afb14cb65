// Uses /, /docs/, /graphiql and /wallboard as a person would, and checks how they look.
//
//   node main.mjs BASE_URL ADMIN_TOKEN
//
// CHROMIUM is the browser's program, SCREENSHOTS a folder for pictures, or empty.
import { chromium } from "playwright-core";

import * as docs from "./docs.mjs";
import { FLAGS } from "./flags.mjs";
import * as graphiql from "./graphiql.mjs";
import * as home from "./home.mjs";
import { Looks } from "./looks.mjs";
import { stage } from "./stage.mjs";
import * as wallboard from "./wallboard.mjs";

const [base, admin] = process.argv.slice(2);
const key = await stage(base, admin);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: FLAGS });
const failures = [];
try {
  for (const page of [home, docs, graphiql, wallboard]) {
    const began = performance.now();
    await page.use(browser, base, key);
    if (page.useService) await page.useService(browser, base, key);
    const looks = new Looks(browser, base, key, process.env.SCREENSHOTS);
    failures.push(...(await looks.check(page)));
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`   ${page.PATH}: used, and looked at in ${looks.seen} states, ${seconds} s`);
  }
  failures.push(...(await new Looks(browser, base, key, "").control()));
} finally {
  await browser.close();
}
console.log(`== browser: Chromium ${browser.version()}, ${failures.length} findings`);
if (failures.length > 0) {
  console.error(failures.join("\n"));
  process.exit(1);
}
