// How a page looks: barriers that axe finds, what does not fit a phone, controls that cannot be reached, colours.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SERIOUS = ["serious", "critical"];
const WIDTHS = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

export class Looks {
  constructor(browser, base, key, screenshots) {
    Object.assign(this, { browser, base, key, screenshots, seen: 0 });
  }

  /** Looks at every state of a page, wide, on a phone and in its own sizes, in light and dark colours. Returns the findings. */
  async check(page) {
    const findings = [];
    for (const colorScheme of ["light", "dark"]) {
      for (const [device, viewport] of Object.entries({ ...WIDTHS, ...page.SIZES })) {
        const isMobile = device === "phone";
        const context = await this.browser.newContext({ viewport, colorScheme, isMobile, hasTouch: isMobile });
        const tab = await context.newPage();
        // Colours change no layout: one state is enough to see them on a phone.
        const states = Object.entries(page.STATES).slice(0, isMobile && colorScheme === "dark" ? 1 : undefined);
        for (const [state, enter] of states) {
          const where = `${page.PATH} ${state}, ${device}, ${colorScheme}`;
          try {
            await enter(tab, this.base, this.key);
            const found = await this.look(tab, page.CONTROLS[state], device, colorScheme);
            findings.push(...found.map((one) => `${where}: ${one}`));
          } catch (error) {
            findings.push(`${where}: ${error.message}`);
          }
          this.seen += 1;
          if (this.screenshots) {
            const name = `${page.NAME ?? page.PATH.replaceAll("/", "")}-${state}-${device}-${colorScheme}.png`;
            await tab.screenshot({ path: path.join(this.screenshots, name) });
          }
        }
        await context.close();
      }
    }
    return findings;
  }

  async look(tab, controls, device, colorScheme) {
    // The phone's page has the same elements and colours as the wide one.
    const findings = device === "wide" ? await barriers(tab) : [];
    const luminance = await tab.evaluate(background);
    const isDark = luminance < 0.3;
    if (isDark !== (colorScheme === "dark")) findings.push(`the background has a luminance of ${luminance.toFixed(2)}`);
    if (device === "phone") {
      const width = await tab.evaluate(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth));
      if (width > WIDTHS.phone.width) findings.push(`the page is ${width} px wide`);
      for (const control of controls) {
        if (!(await reachable(tab, control))) findings.push(`${control} cannot be reached`);
      }
    }
    return findings;
  }

  /** A page with a button that has no name, pale text, and a width past the phone's, all of which must be found. */
  async control() {
    const tab = await this.browser.newPage({ viewport: WIDTHS.phone, isMobile: true });
    await tab.setContent(`<html lang="en"><title>x</title><main><h1>x</h1><button></button>
      <p style="color:#ddd">pale</p><div style="width:900px">wide</div>
      <a id="away" href="#" style="position:absolute;left:-500px">away</a></main></html>`);
    const findings = [...(await barriers(tab)), ...(await this.look(tab, ["#away"], "phone", "dark"))];
    await tab.close();
    const expected = ["button-name", "color-contrast", "px wide", "#away cannot", "luminance"];
    const missed = expected.filter((word) => !findings.some((one) => one.includes(word)));
    return missed.map((word) => `control: ${word} was not found`);
  }
}

/** The serious and critical findings of axe. */
async function barriers(tab) {
  await tab.evaluate(AXE);
  const { violations } = await tab.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations.filter((one) => SERIOUS.includes(one.impact)).map((one) => {
    const nodes = one.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`.trim());
    return `axe ${one.id} (${one.impact}), ${one.nodes.length} times: ${nodes.join("; ")}`;
  });
}

/** Whether the first visible element of a selector can be scrolled to, within the width, with nothing above it. */
async function reachable(tab, selector) {
  const element = tab.locator(`${selector} >> visible=true`).first();
  if (!(await element.count())) return false;
  await element.scrollIntoViewIfNeeded();
  return element.evaluate((one) => {
    const box = one.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, Math.min(box.top + box.height / 2, window.innerHeight - 1)];
    const top = document.elementFromPoint(x, y);
    const isWithin = box.width > 0 && x >= 0 && x <= window.innerWidth;
    return isWithin && top !== null && (one.contains(top) || top.contains(one));
  });
}

/** The luminance of the page's background, from 0 to 1. Runs in the page. */
function background() {
  // Of the page itself, since a dialog dims what is behind it.
  const content = document.querySelector(".graphiql-container, .swagger-ui") ?? document.body;
  for (let one = content; one; one = one.parentElement) {
    const [red, green, blue, alpha = 1] = (getComputedStyle(one).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (alpha > 0.5) return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
  }
  return 1;
}
