// What a person does with the page: asks, reads, checks sources, comes back. Runs against the mock server, and with
// RETRO_URL (and RETRO_API_KEY, RETRO_QUESTION) against a real `retro serve`; what needs a scenario is skipped there.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, beforeEach, test } from "node:test";
import { answered, ask, checkAccessible, closeBrowser, openPage, PHONE, WIDE } from "./browser.mjs";
import { startMockServer } from "./mock-server.mjs";

const REAL = process.env.RETRO_URL;
const QUESTION = process.env.RETRO_QUESTION ?? "Who composed The Magic Flute, and when?";
const mockOnly = { skip: REAL ? "needs a scenario of the mock server" : false };

let server, opened = [];

async function serve(options = {}) {
  await server?.close();
  server = REAL ? null : await startMockServer(options);
}

async function open(options = {}) {
  const url = REAL ?? server.url;
  const key = process.env.RETRO_API_KEY;
  const setUp = REAL && key ? (page) => page.addInitScript((value) => sessionStorage.setItem("retro.key", JSON.stringify(value)), key) : null;
  const one = await openPage(url, { setUp, ...options });
  opened.push(one);
  await one.page.locator("#headline", { hasText: /\d/ }).waitFor({ state: "attached" });
  return one.page;
}

async function askAndWait(page, question) {
  await ask(page, question);
  await answered(page);
}

const state = (page) => page.locator(".pane").first().getAttribute("data-state");
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName);

beforeEach(() => serve());
afterEach(async () => {
  for (const { close } of opened.splice(0)) await close();
});
after(async () => {
  await server?.close();
  await closeBrowser();
});

test("an answer streams in and its numbers open the passage with its sentence marked", async () => {
  const page = await open();
  await askAndWait(page, QUESTION);
  assert.equal(await state(page), "done");
  const cite = page.locator(".cite").first();
  assert.equal(await cite.evaluate((element) => element.tagName), "BUTTON");
  await cite.click();
  const panel = page.locator("#passage-panel");
  await panel.locator("mark").waitFor();
  assert.match(await panel.locator(".facts").innerText(), /Similarity\s+0\.\d\d[\s\S]*Position\s+token \d+[\s\S]*Document/);
  assert.ok((await panel.locator(".passage").innerText()).length > 20);
  assert.ok(await page.locator(".claim.is-marked").count() > 0);
  await panel.getByRole("button", { name: "Copy passage" }).click();
  await page.locator(".toast", { hasText: "clipboard" }).waitFor();
  assert.ok((await page.evaluate(() => navigator.clipboard.readText())).includes((await panel.locator("mark").innerText()).slice(0, 20)));
});

test("the passage's neighbours in its document are read around it", async () => {
  const page = await open();
  await askAndWait(page, QUESTION);
  await page.locator(".cite").first().click();
  await page.getByRole("button", { name: "Read what stands around it" }).click();
  await page.locator(".passage-context [role=status]", { hasText: /before|whole document/ }).waitFor();
  if (REAL) return;
  const around = await page.locator(".passage-context p[data-chunk]").allInnerTexts();
  assert.deepEqual(around.map((text) => text.slice(0, 12)), ["The Magic Fl", "Separately, "]);  // the passage holds the one between
});

test("answer and citations are there again after a reload", async () => {
  const page = await open();
  await askAndWait(page, QUESTION);
  const text = await page.locator(".answer-text").innerText();
  assert.match(page.url(), /#\/ans-/);
  await page.reload();
  await page.locator(".cite").first().waitFor();
  assert.equal(await page.locator(".answer-text").innerText(), text);
  await page.locator(".cite").first().click();
  await page.locator("#passage-panel mark").waitFor();
});

test("retrieval on and off stand side by side, and only one of them cites", async () => {
  const page = await open();
  await page.locator("#compare").check();
  await askAndWait(page, QUESTION);
  const panes = page.locator(".pane");
  assert.equal(await panes.count(), 2);
  assert.ok(await panes.nth(0).locator(".cite").count() > 0);
  assert.equal(await panes.nth(1).locator(".cite, .source").count(), 0);
  const [left, right] = [await panes.nth(0).boundingBox(), await panes.nth(1).boundingBox()];
  assert.ok(right.x >= left.x + left.width && Math.abs(left.y - right.y) < 2);
  await page.reload();
  await page.locator(".pane").nth(1).waitFor();
});

test("an answer that is there can be compared later", async () => {
  const page = await open();
  await askAndWait(page, QUESTION);
  await page.getByRole("button", { name: "Compare with retrieval off" }).click();
  await page.locator(".pane").nth(1).waitFor();
  await answered(page);
  assert.equal(await page.locator(".pane[data-mode=off]").count(), 1);
});

test("stopping keeps what had come and cancels at the server", mockOnly, async () => {
  server.state.pace = 20;
  const page = await open();
  await ask(page, "An endless answer, please");
  await page.locator(".answer-text", { hasText: /(\w+ ){60}/ }).waitFor();  // longer than a double click
  await page.locator("#submit", { hasText: "Stop" }).click();
  await answered(page);
  assert.equal(await state(page), "stopped");
  assert.match(await page.locator(".answer-text").innerText(), /^Word after/);
  await page.waitForFunction(() => document.querySelector("#submit").innerText === "Ask");
  await assertSoon(() => server.state.cancelled === 1);
  await page.reload();
  await page.locator(".answer-text", { hasText: "Word after" }).waitFor();
});

test("a page left in mid-answer has the part that had come", mockOnly, async () => {
  server.state.pace = 20;
  const page = await open();
  await ask(page, "An endless answer, please");
  await assertSoon(async () => (await storedTexts(page))[0]?.startsWith("Word after"));
  await page.reload();
  await page.locator(".banner", { hasText: "The page was left" }).waitFor();
  assert.match(await page.locator(".answer-text").innerText(), /^Word after/);
});

test("a server that dies in mid-answer leaves the part, marked", mockOnly, async () => {
  const page = await open();
  let die;
  server.state.death = new Promise((resolve) => { die = resolve; });
  await ask(page, "Did the server die?");
  await page.locator(".cite").waitFor();
  die();
  await answered(page);
  assert.equal(await state(page), "broken");
  await page.locator(".banner", { hasText: "The answer breaks off here. The connection was lost." }).waitFor();
  assert.match(await page.locator(".answer-text").innerText(), /Mozart/);
  assert.equal(await page.locator(".cite").count(), 1);
  assert.equal(await page.locator(".sources li:not(.is-spare)").count(), 1);
  await page.reload();
  await page.locator(".banner", { hasText: "The connection was lost" }).waitFor();
  assert.match(await page.locator(".history-item").first().innerText(), /broken off/);
});

test("an error event is told with the server's words", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "Please fail");
  await page.locator(".banner", { hasText: "The engine stopped." }).waitFor();
});

test("a busy server is asked again when Retry-After has passed", mockOnly, async () => {
  const page = await open();
  server.state.refusals.push({ status: 429, message: "Too many requests.", retryAfter: 1 }, { status: 503, message: "The queue is full.", retryAfter: 1 });
  await ask(page, QUESTION);
  await page.locator(".banner", { hasText: /Too many requests\. Trying again in/ }).waitFor();
  await page.locator(".banner", { hasText: /The queue is full\. Trying again in/ }).waitFor();
  await page.locator(".pane[data-state=done]").waitFor();
});

test("a countdown can be left", mockOnly, async () => {
  const page = await open();
  server.state.refusals.push({ status: 429, message: "Too many requests.", retryAfter: 60 });
  await ask(page, QUESTION);
  await page.getByRole("button", { name: "Leave it" }).click();
  assert.equal(await state(page), "stopped");
  await page.locator("#submit", { hasText: "Ask" }).waitFor();
});

test("an error without Retry-After waits for the person", mockOnly, async () => {
  const page = await open();
  server.state.refusals.push({ status: 400, message: "k must be at least 1." });
  await askAndWait(page, QUESTION);
  await page.locator(".banner", { hasText: "k must be at least 1." }).waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".pane[data-state=done]").waitFor();
});

test("a network that is gone is told and can be tried again", async () => {
  const page = await open();
  await page.context().setOffline(true);
  await page.locator(".notice", { hasText: "The network is gone" }).waitFor();
  await askAndWait(page, QUESTION);
  await page.locator(".banner", { hasText: "cannot be reached" }).waitFor();
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".pane[data-state=done]").waitFor({ timeout: 120_000 });
});

test("a server that loads its model is waited for", mockOnly, async () => {
  server.state.loading = 2;
  const page = await open();
  await page.locator("#database", { hasText: "17,300 passages" }).waitFor();
  assert.equal(await page.locator(".notice").count(), 0);
});

test("a key is asked for, a wrong one is refused, the right one is kept for the tab", mockOnly, async () => {
  await serve({ apiKey: "secret" });
  const one = await openPage(server.url);
  opened.push(one);
  const { page } = one;
  await page.getByLabel("API key").fill("wrong");
  await page.getByRole("button", { name: "Use key" }).click();
  await page.getByText("That key was not accepted").waitFor();
  await checkAccessible(page, "key");
  await page.getByLabel("API key").fill("secret");
  await page.getByLabel("API key").press("Enter");
  await page.locator("#database", { hasText: "17,300" }).waitFor();
  await askAndWait(page, QUESTION);
  assert.equal(await state(page), "done");
  await page.reload();
  await page.locator("#database", { hasText: "17,300" }).waitFor();
  assert.equal(await page.evaluate(() => Object.keys(localStorage).some((name) => localStorage[name].includes("secret"))), false);
});

test("what is not in the database is said, with the nearest passages", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "What is the capital of Freedonia?");
  await page.getByText("Not in the database", { exact: true }).waitFor();
  await page.getByText("similarity of 0.21; 0.35 is asked for").waitFor();
  assert.equal(await page.locator(".source").count(), 2);
  await page.getByRole("button", { name: "Answer from memory" }).click();
  await page.locator(".pane[data-mode=off][data-state=done]").waitFor();
});

test("an answer that no passage supports is called so", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "An unsupported answer, please");
  await page.getByText("No passage supports these words. They may be the model’s own.").waitFor();
  await askAndWait(page, QUESTION);
  assert.equal(await page.locator(".unsupported").count(), 0);
});

test("an added document answers the question, and can be taken out again", mockOnly, async () => {
  await serve({ writable: true });
  const page = await open();
  await askAndWait(page, "What is the capital of Freedonia?");
  await page.locator(".not-found").getByRole("button", { name: "Add a document" }).click();
  await page.getByLabel("Title").fill("Freedonia");
  await page.getByLabel("Text").fill("Freedonia’s capital is Fredville.");
  await page.getByRole("button", { name: "Add to the database" }).click();
  await page.getByText("generation 7").waitFor();
  await checkAccessible(page, "document added");
  await page.getByRole("button", { name: "Ask again" }).last().click();
  await page.locator(".answer-text", { hasText: "Fredville" }).waitFor();
  assert.deepEqual(server.state.requests.find(({ route }) => route === "POST /v1/documents").body,
    { documents: [{ title: "Freedonia", text: "Freedonia’s capital is Fredville.", id: "page:freedonia" }] });
});

test("a read-only server shows no way to add a document", mockOnly, async () => {
  const page = await open();
  assert.equal(await page.locator("#add-document").isVisible(), false);
});

test("the neighbours of every chunk are shown with cross-attention", mockOnly, async () => {
  await serve({ modes: ["off", "prompt", "cca", "both"] });
  const page = await open();
  await page.locator("#settings-toggle").click();
  await page.getByLabel("Retrieval", { exact: true }).selectOption("cca");
  await askAndWait(page, QUESTION);
  assert.equal(await page.locator(".chunk:visible").count(), 2);
  assert.equal(await page.getByText("1 more chunk, of the prompt").count(), 1);
  assert.match(await page.locator(".chunk").nth(0).innerText(), /Chunk 2 up to token 320\. Its neighbours fed:\s+Wolfgang/);
  await page.locator(".chunk .source").nth(1).click();
  assert.match(await page.locator("#panel-label").innerText(), /Neighbour 2 of 2/);
});

test("settings go into the request, are put in range, and are remembered", mockOnly, async () => {
  const page = await open();
  await page.locator("#settings-toggle").click();
  await page.getByLabel("Passages (k)").fill("5");
  await page.getByLabel("Temperature").fill("99");
  await page.getByLabel("Temperature").blur();
  assert.equal(await page.getByLabel("Temperature").inputValue(), "2");
  await page.getByLabel("Longest answer").fill("12");
  await page.getByLabel("Longest answer").blur();
  await page.reload();
  await page.locator("#settings-summary", { hasText: "5 passages · temperature 2 · 12 tokens" }).waitFor();
  await askAndWait(page, QUESTION);
  assert.deepEqual(server.state.requests.find(({ route }) => route === "POST /v1/answer").body, {
    question: QUESTION, retrieval: { mode: "prompt", k: 5, nprobe: 0, threshold: 0.35 }, max_tokens: 12, temperature: 2, top_p: 1, seed: 0, stream: true });
});

test("history is searched, opened, deleted with undo, and asked again", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "What is the capital of Freedonia?");
  await askAndWait(page, QUESTION);
  await page.locator("#history-toggle").click();
  await page.locator("#history-search").fill("freedonia");
  assert.equal(await page.locator(".history-item").count(), 1);
  await page.locator(".history-open").click();
  await page.locator("#entry-question", { hasText: "Freedonia" }).waitFor();
  await page.goBack();
  await page.locator("#entry-question", { hasText: QUESTION }).waitFor();
  await page.locator("#history-search").fill("");
  await page.locator(".history-item").nth(1).hover();
  await page.getByRole("button", { name: "Delete: What is the capital" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".history-item").length === 1);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".history-item").length === 2);
  await page.locator(".history-item").first().hover();
  await page.getByRole("button", { name: /^Ask again: Who composed/ }).click();
  await page.waitForFunction(() => document.querySelectorAll(".history-item").length === 3);
});

test("the whole history is deleted, and comes back with undo", mockOnly, async () => {
  const page = await open();
  for (const question of ["First?", "Second?"]) await askAndWait(page, question);
  await page.locator("#history-toggle").click();
  await page.getByRole("button", { name: "Delete all" }).click();
  await page.locator(".toast", { hasText: "2 questions deleted" }).waitFor();
  assert.equal(await page.locator(".history-item, .entry").count(), 0);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator(".history-item").nth(1).waitFor();
});

test("the export holds question, answer and sources, in Markdown and in JSON", async () => {
  const page = await open();
  await askAndWait(page, QUESTION);
  const exported = async (name) => {
    await page.locator(".menu summary").click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]);
    await page.keyboard.press("Escape");
    return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
  };
  const markdown = await exported("Markdown");
  assert.match(markdown.name, /\.md$/);
  assert.match(markdown.text, /^# .+\n[\s\S]+ \[\d\][\s\S]+### Sources[\s\S]+1\. .+similarity 0\.\d\d[\s\S]+ {3}> /);
  const json = await exported("JSON");
  const { format, entries: [entry] } = JSON.parse(json.text);
  assert.equal(format, "retro-answers");
  assert.equal(entry.question, QUESTION);
  assert.ok(entry.runs[0].answer.sources.length > 0);
});

test("votes reach the server with the answer's and the passage's id, and stay", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, QUESTION);
  await page.locator(".pane-actions").getByRole("button", { name: "Bad answer" }).click();
  await page.getByLabel("What was wrong, or good?").fill("Too long");
  await page.getByRole("button", { name: "Send comment" }).click();
  await page.locator(".cite").first().click();
  await page.locator("#passage-panel").getByRole("button", { name: "Useful passage" }).click();
  await page.locator("#passage-panel [aria-pressed=true]").waitFor();
  const id = decodeURIComponent(new URL(page.url()).hash.slice(2));
  assert.deepEqual(server.state.requests.filter(({ route }) => route === "POST /v1/feedback").map(({ body }) => body), [
    { answer_id: id, vote: "down", comment: "", passage: null },
    { answer_id: id, vote: "down", comment: "Too long", passage: null },
    { answer_id: id, vote: "up", comment: "", passage: "9007199254740994" },
  ]);
  await page.reload();
  await page.locator(".pane-actions [aria-pressed=true][data-vote=down]").waitFor();
});

test("a passage of 10,000 characters is shown whole, at its sentence", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "Where is it in ten thousand characters?");
  await page.locator(".cite").first().click();
  assert.equal(await page.locator(".passage").evaluate((element) => Array.from(element.textContent).length), 10_000);
  assert.equal(await page.locator("#passage-panel mark").innerText(), "Here, in the middle of everything, stands the sentence that is asked for.");
  await page.locator("#passage-panel mark").evaluate((mark) => {
    const box = mark.getBoundingClientRect(), body = mark.closest(".drawer-body").getBoundingClientRect();
    if (box.top < body.top || box.bottom > body.bottom) throw new Error("the mark is out of sight");
  });
});

test("right-to-left text is set from right to left", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "متى تأسس بيت الحكمة؟");
  await page.locator(".cite").first().click();
  for (const selector of [".answer-text", "#entry-question", ".passage", "#panel-title"]) {
    assert.equal(await page.locator(selector).evaluate((element) => getComputedStyle(element).direction), "rtl", selector);
  }
});

test("markup in documents and answers stays text", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "What is markup?");
  assert.equal(await page.locator(".answer-text").evaluate((element) => element.textContent), "<b>Markup</b> is <script>window.owned = true</script> text.1");
  await page.locator(".cite").first().click();
  assert.match(await page.locator(".passage").innerText(), /^<script>window\.owned = true<\/script><img src=x/);
  assert.equal(await page.locator("#passage-panel a").count(), 0);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.title(), "What is markup? – retro");
});

test("characters cut in the stream come out whole, and only real sources become numbers", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "Some emoji please");
  assert.equal(await page.locator(".answer-text").evaluate((element) => element.textContent), "Noe\u0308l 👩‍👩‍👧‍👦 wrote 𝄞 in Łódź.1 See [7] and arr[0].");
  assert.equal(await page.locator(".cite").count(), 1);
  await page.locator(".cite").click();
  assert.equal(await page.locator("#passage-panel mark").innerText(), "🎼 Noe\u0308l 👩‍👩‍👧‍👦 wrote 𝄞 in Łódź.");
});

test("an answer that was cut off offers a longer one", mockOnly, async () => {
  const page = await open();
  await askAndWait(page, "Please cut this");
  await page.getByRole("button", { name: "Ask for up to 128" }).click();
  await assertSoon(() => server.state.requests.at(-1).body?.max_tokens === 128);
});

test("everything is reached with the keyboard, and Escape gives focus back", mockOnly, async () => {
  const page = await open();
  assert.equal(await focused(page), "question");
  await page.keyboard.type(QUESTION);
  await page.keyboard.press("Enter");
  await answered(page);
  const order = [];
  while (!order.includes("cite") && order.length < 20) {
    await page.keyboard.press("Tab");
    order.push(await focused(page));
  }
  assert.equal(order.at(-1), "cite", order.join());
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "panel-title");
  await page.keyboard.press("]");
  assert.match(await page.locator("#panel-label").innerText(), /Source 2 of 3/);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#passage-panel").isVisible(), false);
  assert.equal(await focused(page), "cite");
  await page.keyboard.press("2");
  assert.match(await page.locator("#panel-label").innerText(), /Source 2 of 3/);
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  assert.equal(await focused(page), "history-search");
  await page.keyboard.press("Tab");
  assert.match(await focused(page), /history-open/);
  await page.keyboard.press("Escape");
  assert.equal(await focused(page), "history-toggle");
  await page.keyboard.press("?");
  await page.getByLabel("Single letters and digits act").uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  assert.equal(await page.locator("#entry-question").count(), 1);
});

test("arrow keys move through the history and Delete deletes", mockOnly, async () => {
  const page = await open();
  for (const question of ["First?", "Second?", "Third?"]) await askAndWait(page, question);
  await page.keyboard.press("Escape");
  await page.locator("#history-toggle").click();
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.match(await page.evaluate(() => document.activeElement.innerText), /First/);
  assert.equal(await page.locator(".history-open[tabindex='0']").count(), 1);
  await page.keyboard.press("Delete");
  await page.waitForFunction(() => document.querySelectorAll(".history-item").length === 2);
  assert.match(await page.evaluate(() => document.activeElement.innerText), /Second/);
});

test("screen readers hear sentences, not tokens", mockOnly, async () => {
  server.state.pace = 30;
  const page = await open();
  await page.evaluate(() => {
    window.heard = [];
    new MutationObserver(() => window.heard.push(document.querySelector("#announcements").textContent)).observe(document.querySelector("#announcements"), { childList: true });
  });
  await askAndWait(page, QUESTION);
  await page.waitForFunction(() => window.heard.join(" ").includes("Answer complete"));
  const heard = await page.evaluate(() => window.heard);
  assert.ok(heard.length <= 5, heard.join("\n"));
  assert.match(heard.join(" "), /3 sources found\..*Schikaneder\. \(source 1\) \(source 2\).*Answer complete, 2 sources cited\./);
});

test("the colours follow the system until they are chosen, and the choice is remembered", async () => {
  const page = await open({ colorScheme: "dark" });
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await page.locator("#theme-toggle").click();
  const light = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await paper(), light);
});

test("on a phone the passage is a sheet that keeps focus, and nothing is wider than the screen", async () => {
  const page = await open({ viewport: PHONE });
  await askAndWait(page, QUESTION);
  await page.locator(".cite").first().tap();
  assert.ok(await page.locator("#passage-panel").evaluate((panel) => panel.matches(":modal")));
  const box = await page.locator("#passage-panel").boundingBox();
  assert.ok(box.x === 0 && Math.abs(box.width - PHONE.width) < 1 && Math.abs(box.y + box.height - PHONE.height) < 1);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.locator("#passage-panel").getByRole("button", { name: "Copy passage" }).tap();
  await page.locator("#passage-panel .toast").waitFor();  // outside of the sheet it could not be reached
  await page.keyboard.press("Escape");
  assert.match(await focused(page), /cite/);
});

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
    test(`axe-core finds nothing serious: ${colorScheme}, ${size}`, async () => {
      await serve({ writable: true, modes: ["off", "prompt", "cca", "both"] });
      const page = await open({ colorScheme, viewport });
      const check = (name) => checkAccessible(page, `${name} (${colorScheme}, ${size})`);
      await check("empty");
      await page.locator("#settings-toggle").click();
      if (!REAL) await page.getByLabel("Retrieval", { exact: true }).selectOption("cca");
      await check("settings");
      await page.locator("#settings-toggle").click();
      await page.locator("#compare").check();
      await askAndWait(page, QUESTION);
      await check("side by side");
      await page.locator(".cite").first().click();
      await page.getByRole("button", { name: "Read what stands around it" }).click();
      await page.locator(".passage-context [role=status]", { hasText: /before|whole/ }).waitFor();
      await check("panel");
      await page.keyboard.press("Escape");
      await page.locator(".menu summary").click();
      await check("menu");
      await page.keyboard.press("Escape");
      await page.locator("#history-toggle").click();
      await check("history");
      await page.locator("#history-close").click();
      await page.locator("#shortcuts-toggle").click();
      await check("keys");
      await page.keyboard.press("Escape");
      if (REAL) return;
      await page.locator("#add-document").click();
      await check("document");
      await page.keyboard.press("Escape");
      await page.locator("#compare").uncheck();
      for (const question of ["What is the capital of Freedonia?", "Did the server die?", "What is markup?", "متى تأسس بيت الحكمة؟"]) {
        await askAndWait(page, question);
        await check(question);
      }
      server.state.refusals.push({ status: 429, message: "Too many requests.", retryAfter: 60 });
      await ask(page, QUESTION);
      await page.locator(".banner").waitFor();
      await check("busy");
      server.state.pace = 20;
      await ask(page, "An endless answer");
      await page.locator(".answer-text", { hasText: "Word" }).waitFor();
      await check("writing");
    });
  }
}

async function assertSoon(holds) {
  for (let i = 0; i < 200 && !(await holds()); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(await holds());
}

/** The first answer of every entry that the browser keeps. */
function storedTexts(page) {
  return page.evaluate(() => new Promise((resolve) => {
    indexedDB.open("retro").onsuccess = ({ target: { result: database } }) => {
      database.transaction("entries").objectStore("entries").getAll().onsuccess = ({ target }) => {
        resolve(target.result.map((entry) => entry.runs[0].text));
        database.close();
      };
    };
  }));
}
