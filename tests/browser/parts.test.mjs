// The page's modules that show nothing, in the browser that runs them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, openPage } from "./browser.mjs";
import { startMockServer } from "./mock-server.mjs";

let server, opened;
before(async () => {
  server = await startMockServer();
  opened = await openPage(server.url);
  await defineFunctions(opened.page);
});
after(async () => {
  await opened.close();
  await server.close();
  await closeBrowser();
});

const inPage = (module, body, argument) => opened.page.evaluate(async ([module, body, argument]) => {
  const parts = await import(new URL(module, location.href));
  return window.__run[body](parts, argument);
}, [module, body, argument]);

// Functions cannot be sent as text under the page's policy (no eval), so the driver defines them.
const defineFunctions = (page) => page.evaluate(() => {
  window.__run = {
    parse: ({ SseParser }, pieces) => {
      const parser = new SseParser();
      return pieces.flatMap((piece) => parser.push(piece));
    },
    readBytes: async ({ readEvents }, [text, size]) => {
      const bytes = new TextEncoder().encode(text);
      const body = new ReadableStream({ start(controller) {
        for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.slice(i, i + size));
        controller.close();
      } });
      const events = [];
      for await (const event of readEvents(body)) events.push(event);
      return events;
    },
    escape: ({ escapeMarkdown }, text) => escapeMarkdown(text),
    name: ({ fileName }, question) => fileName(question),
    offset: ({ indexOfCodePoint }, [text, offset]) => indexOfCodePoint(text, offset),
    address: ({ webAddress }, url) => webAddress(url)?.href ?? null,
    valid: ({ valid }, [settings, modes]) => valid(settings, modes),
    describe: ({ describe }, settings) => describe(settings),
  };
});

test("events end at an empty line, whichever way lines end and pieces are cut", async () => {
  const text = "event: token\ndata: {\"text\":\"a\"}\n\nevent: token\r\ndata: one\r\ndata: two\r\n\r\n: ping\n\ndata\rdata:x\r\rdata: last";
  const expected = [{ event: "token", data: "{\"text\":\"a\"}" }, { event: "token", data: "one\ntwo" }, { event: "message", data: "\nx" }];
  assert.deepEqual(await inPage("sse.js", "parse", [text]), expected);
  assert.deepEqual(await inPage("sse.js", "parse", Array.from(text)), expected);
});

test("a comment or a name without data is no event", async () => {
  assert.deepEqual(await inPage("sse.js", "parse", [": ping\n\nevent: token\n\nid: 3\nretry: 10\n\n"]), []);
});

test("characters cut between bytes come out whole", async () => {
  const text = "e\u0301 👩‍👩‍👧‍👦 𝄞 الحكمة";
  for (const size of [1, 2, 3, 5, 7]) {
    assert.deepEqual(await inPage("sse.js", "readBytes", [`data: ${text}\n\n`, size]), [{ event: "message", data: text }]);
  }
});

test("code point offsets count a surrogate pair once", async () => {
  assert.equal(await inPage("format.js", "offset", ["𝄞a𝄞b", 2]), 3);
  assert.equal(await inPage("format.js", "offset", ["𝄞a", 99]), 3);
});

test("only http and https addresses become links", async () => {
  assert.equal(await inPage("format.js", "address", "https://a.example/x"), "https://a.example/x");
  for (const url of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//", "", null]) assert.equal(await inPage("format.js", "address", url), null);
});

test("Markdown of an export has no live markup", async () => {
  assert.equal(await inPage("export.js", "escape", "<b>*a* [x](y) `c`"), "\\<b\\>\\*a\\* \\[x\\](y) \\`c\\`");
  assert.equal(await inPage("export.js", "escape", "# h\n- item\n1. one\n---"), "\\# h\n\\- item\n1\\. one\n\\---");
});

test("file names keep letters of any script", async () => {
  assert.equal(await inPage("export.js", "name", "Who wrote “The Magic Flute”?"), "who-wrote-the-magic-flute");
  assert.equal(await inPage("export.js", "name", "متى تأسس بيت الحكمة؟"), "متى-تأسس-بيت-الحكمة");
  assert.equal(await inPage("export.js", "name", "../?*"), "answer");
});

test("settings out of range or of another model are put right", async () => {
  const kept = await inPage("settings.js", "valid", [{ mode: "cca", k: 900, temperature: -3, top_p: "x", seed: 7, max_tokens: 2.6 }, ["off", "prompt"]]);
  assert.deepEqual(kept, { mode: "prompt", k: 50, nprobe: 0, threshold: 0.35, max_tokens: 3, temperature: 0, top_p: 1, seed: 7 });
  assert.equal((await inPage("settings.js", "valid", [{ mode: "prompt" }, ["off"]])).mode, "off");
});
