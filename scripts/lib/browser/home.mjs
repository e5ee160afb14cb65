// The page of links at /.
import assert from "node:assert/strict";

export const PATH = "/";
/** The name of its pictures. */
export const NAME = "home";
const LINKS = ["wallboard", "graphiql", "docs/", "openapi.json", "livez", "readyz"];

/** Opens the page. */
async function open(page, base) {
  await page.goto(base + PATH);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

/** Follows every link, also by a touch beside its words, and with the keyboard alone. */
export async function use(browser, base) {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  await open(page, base);
  const found = await page.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  assert.deepEqual(found, LINKS);
  for (const link of LINKS) {
    const answer = await page.request.get(new URL(link, page.url()).href);
    assert.equal(answer.status(), 200, link);
  }
  const beside = await page.locator("li p").first().boundingBox();
  await page.mouse.click(beside.x + 5, beside.y + 5);
  await page.waitForURL("**/wallboard");
  await open(page, base);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/graphiql");
  assert.deepEqual(errors, []);
  await page.close();
}

export const STATES = { opened: open };
export const CONTROLS = { opened: LINKS.map((link) => `a[href="${link}"]`) };
