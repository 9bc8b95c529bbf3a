// Chromium for the tests, and pages that fail a test when the browser complains.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const WIDE = { width: 1360, height: 900 }, PHONE = { width: 390, height: 844 };

let browser = null;

/** One for all tests of a file. */
export async function launch() {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
}

/**
 * A fresh profile with the page open. `checkComplaints()` fails when the browser reported an uncaught error or a
 * violation of the Content-Security-Policy.
 */
export async function openPage(url, { viewport = WIDE, colorScheme = "light", hash = "", setUp = null } = {}) {
  const context = await (await launch()).newContext({ viewport, colorScheme, reducedMotion: "reduce", isMobile: viewport === PHONE, hasTouch: viewport === PHONE,
    permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack}`));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/i.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (/^https?:/.test(request.url()) && !request.url().startsWith(url)) complaints.push(`asked another server: ${request.url()}`);
  });
  await setUp?.(page);
  await page.goto(url + hash);
  page.setDefaultTimeout(10_000);
  return {
    page,
    checkComplaints: () => assert.deepEqual(complaints, []),
    close: async () => {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}

export async function ask(page, question) {
  await page.locator("#question").fill(question);
  await page.locator("#question").press("Enter");
}

/** Waits until every answer on the page has come to an end. */
export async function answered(page) {
  await page.locator(".pane").first().waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll(".pane")].every((pane) => !["waiting", "writing"].includes(pane.dataset.state)), null, { timeout: 120_000 });
}

/** Fails on what axe-core calls serious or critical. */
export async function checkAccessible(page, state) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(bad.map(({ id, nodes }) => `${state}: ${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`), []);
}
