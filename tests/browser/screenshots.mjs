// node screenshots.mjs [FOLDER [PART-OF-A-NAME]]: the page in every state, wide and on a phone, light and dark, to be looked
// at. With RETRO_URL (and RETRO_QUESTION) the states that a real server can be brought into.

import { mkdirSync } from "node:fs";
import { answered, ask, closeBrowser, openPage, PHONE, WIDE } from "./browser.mjs";
import { startMockServer } from "./mock-server.mjs";

const folder = process.argv[2] ?? "screenshots";
const only = process.argv[3] ?? "";
mkdirSync(folder, { recursive: true });

const REAL = process.env.RETRO_URL;
const OF_THE_MOCK = ["writing", "not-found", "broken", "busy", "rtl", "history", "document"];
const FLUTE = process.env.RETRO_QUESTION ?? "Who composed The Magic Flute, and when was it first performed?";
const STATES = {
  empty: async () => {},
  settings: async (page) => page.locator("#settings-toggle").click(),
  writing: async (page, server) => {
    server.state.pace = 60;
    await ask(page, FLUTE);
    await page.locator(".cite").first().waitFor();
  },
  answer: async (page) => done(page, FLUTE),
  panel: async (page) => {
    await done(page, FLUTE);
    await page.locator(".cite").first().click();
    await page.getByRole("button", { name: "Read what stands around it" }).click();
    await page.locator(".passage-context [role=status]", { hasText: /before|whole document/ }).waitFor();
  },
  pair: async (page) => {
    await page.locator("#compare").check();
    await done(page, FLUTE);
  },
  neighbours: async (page) => {
    await page.locator("#settings-toggle").click();
    await page.getByLabel("Retrieval", { exact: true }).selectOption("cca");
    await page.locator("#settings-toggle").click();
    await done(page, FLUTE);
    await page.locator(".chunks").scrollIntoViewIfNeeded();
  },
  "not-found": async (page) => done(page, "What is the capital of Freedonia?"),
  broken: async (page) => done(page, "Did the server die?"),
  busy: async (page, server) => {
    server.state.refusals.push({ status: 429, message: "Too many requests with this key.", retryAfter: 30 });
    await ask(page, FLUTE);
    await page.locator(".banner").waitFor();
  },
  rtl: async (page) => {
    await done(page, "متى تأسس بيت الحكمة؟");
    await page.locator(".cite").first().click();
  },
  history: async (page) => {
    await done(page, "What is the capital of Freedonia?");
    await done(page, "Did the server die?");
    await done(page, FLUTE);
    await page.locator("#history-toggle").click();
  },
  document: async (page) => page.locator("#add-document").click(),
  keys: async (page) => page.locator("#shortcuts-toggle").click(),
};

async function done(page, question) {
  await ask(page, question);
  await page.locator(".pane").first().waitFor();
  await answered(page);
  await page.waitForTimeout(50);
}

for (const [sizeName, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, reach] of Object.entries(STATES)) {
      const file = `${name}-${sizeName}-${colorScheme}.png`;
      if (!file.includes(only) || (REAL && OF_THE_MOCK.includes(name))) continue;
      const server = REAL ? null : await startMockServer({ writable: true, modes: ["off", "prompt", "cca", "both"] });
      const { page, close } = await openPage(REAL ?? server.url, { viewport, colorScheme });
      await page.locator("#headline", { hasText: /\d/ }).waitFor({ state: "attached" });
      await reach(page, server);
      await page.waitForTimeout(100);
      await page.screenshot({ path: `${folder}/${file}` });
      await close();
      await server?.close();
    }
  }
}
await closeBrowser();
