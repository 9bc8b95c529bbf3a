// A stand-in for `retro serve`: the page's files under the same Content-Security-Policy, and the routes that the page
// calls. What it answers hangs on words in the question (SCENARIOS), so that a test can ask for an overloaded server,
// one that dies in mid-answer, or a document in Arabic.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("../../service/web/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const HEADERS = {
  "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

// Documents, each a list of chunks.
const DOCUMENTS = {
  "wiki:flute": { title: "The Magic Flute", source: "Wikipedia", url: "https://en.example.org/wiki/The_Magic_Flute", licence: "CC BY-SA 4.0", chunks: [
    "The Magic Flute (German: Die Zauberflöte) is an opera in two acts. The work is in the form of a Singspiel, a popular form that included both singing and spoken dialogue.",
    "The Magic Flute was composed in 1791 by Wolfgang Amadeus Mozart to a German libretto by Emanuel Schikaneder. It premiered on 30 September 1791 at Schikaneder’s theatre, the Freihaus-Theater auf der Wieden in Vienna, just two months before the composer’s death.",
    "In the opera, the Queen of the Night persuades Prince Tamino to rescue her daughter Pamina from captivity under the high priest Sarastro; instead, he learns the high ideals of Sarastro’s community and seeks to join it.",
    "Separately, then together, Tamino and Pamina undergo severe trials of initiation, which end in triumph, with the Queen and her cohorts vanquished.",
  ] },
  "wiki:schikaneder": { title: "Emanuel Schikaneder", source: "Wikipedia", url: "https://en.example.org/wiki/Emanuel_Schikaneder", licence: "CC BY-SA 4.0", chunks: [
    "Emanuel Schikaneder was a German impresario, dramatist, actor, singer, and composer. He wrote the libretto of Wolfgang Amadeus Mozart’s opera The Magic Flute and was the builder of the Theater an der Wien.",
    "Branscombe called him “one of the most talented theatre men of his era”.",
  ] },
  "wiki:tamino": { title: "Tamino’s aria “Dies Bildnis ist bezaubernd schön”", source: "Wikipedia", url: "javascript:alert(1)", licence: null, chunks: [
    "“Dies Bildnis ist bezaubernd schön” is an aria from the 1791 opera The Magic Flute. The aria takes place in act 1, scene 1, of the opera.",
  ] },
  "tale:long": { title: "A passage of ten thousand characters", source: "Tales", url: null, licence: "public domain", chunks: [longText()] },
  "ar:baghdad": { title: "بيت الحكمة", source: "موسوعة", url: "https://ar.example.org/wiki", licence: null, chunks: [
    "بيت الحكمة خزانة كتب تأسست في بغداد في عهد الخليفة هارون الرشيد. وازدهرت في عهد المأمون بين عامي 813 و833 (Baghdad).",
  ] },
  "evil:markup": { title: "<script>document.title='owned'</script> & <b>markup</b>", source: "<i>nowhere</i>", url: "data:text/html,<script>1</script>", licence: null, chunks: [
    "<script>window.owned = true</script><img src=x onerror=\"window.owned = true\"> Markup is text here. <a href=\"javascript:window.owned=true\">press</a>",
  ] },
  "emoji:all": { title: "👩‍👩‍👧‍👦 and e\u0301", source: "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", url: null, licence: null, chunks: ["🎼 Noe\u0308l 👩‍👩‍👧‍👦 wrote 𝄞 in Łódź. And the rest is quiet."] },
};

function longText() {
  const sentence = "The road went on over one hill after another and nobody who walked it could say where it began. ";
  const target = "Here, in the middle of everything, stands the sentence that is asked for.";
  const half = sentence.repeat(60).slice(0, 4963);
  return `${half} ${target} ${sentence.repeat(60)}`.slice(0, 10_000);
}

/** Words of the question → what is retrieved and written. `[n]` in `text` is a marker. */
const SCENARIOS = [
  { words: "ten thousand", documents: ["tale:long", "wiki:flute"], text: "The sentence stands in the middle of everything. [1]", sentence: "Here, in the middle of everything, stands the sentence that is asked for." },
  { words: "الحكمة", documents: ["ar:baghdad"], text: "تأسس بيت الحكمة في بغداد في عهد هارون الرشيد. [1]" },
  { words: "markup", documents: ["evil:markup"], text: "<b>Markup</b> is <script>window.owned = true</script> text. [1]" },
  { words: "emoji", documents: ["emoji:all"], text: "Noe\u0308l 👩‍👩‍👧‍👦 wrote 𝄞 in Łódź. [1] See [7] and arr[0].", sentence: "🎼 Noe\u0308l 👩‍👩‍👧‍👦 wrote 𝄞 in Łódź.", cutBytes: true },
  { words: "capital of freedonia", documents: ["wiki:tamino", "wiki:schikaneder"], text: "The database holds no answer to this.", found: false },
  { words: "cut", documents: ["wiki:flute"], text: "The Magic Flute was composed in 1791 by", finish: "length" },
  { words: "die", documents: ["wiki:flute", "wiki:schikaneder"], text: "The Magic Flute was composed by Wolfgang Amadeus Mozart. [1] He", end: "die" },
  { words: "fail", documents: ["wiki:flute"], text: "The Magic Flute was", end: "error" },
  { words: "unsupported", documents: ["wiki:tamino"], text: "It was Salieri." },
  { words: "endless", documents: ["wiki:flute"], text: "Word after word after word ", end: "never" },
  { words: "", documents: ["wiki:flute", "wiki:schikaneder", "wiki:tamino"],
    text: "Wolfgang Amadeus Mozart composed The Magic Flute in 1791, to a libretto by Emanuel Schikaneder. [1] [2] It premiered on 30 September 1791 in Vienna. [1]" },
];
const MEMORY = "The Magic Flute was written by Ludwig van Beethoven, who was born in Bonn.";

const numCodePoints = (text) => Array.from(text).length;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function passage(documentId, index) {
  const { title, source, url, licence, chunks } = DOCUMENTS[documentId];
  return { chunk_id: String(BigInt(Object.keys(DOCUMENTS).indexOf(documentId)) * 1000n + 9007199254740993n + BigInt(index)), document_id: documentId,
    title, source, url, licence, position: 64 * index, text: chunks[index] };
}

function sourcesOf(scenario) {
  return scenario.documents.map((documentId, i) => {
    const index = documentId === "wiki:flute" ? 1 : 0;
    const found = scenario.found !== false;
    const whole = passage(documentId, index);
    if (documentId === "wiki:flute") whole.text += ` ${DOCUMENTS[documentId].chunks[2]}`;  // with its continuation, as the real server
    return { ...whole, number: i + 1, score: found ? 0.71 - 0.09 * i : 0.21 - 0.03 * i, sentence: "", similarity: 0, support: 0, cited: false, highlight: null };
  });
}

/** What the last event says of the sources. */
function judged(scenario, sources) {
  return sources.map((source) => {
    const cited = scenario.text.includes(`[${source.number}]`);
    const sentence = source.number === 1 && scenario.sentence || source.text.split(/(?<=[.؟]) /)[0];
    const begin = numCodePoints(source.text.slice(0, source.text.indexOf(sentence)));
    return { ...source, cited, sentence, similarity: 0.6, support: cited ? 0.8 : 0.1, highlight: { begin, end: begin + numCodePoints(sentence) } };
  });
}

function citationsOf(text) {
  const citations = [];
  let from = 0;
  for (const match of text.matchAll(/((?: ?\[\d+\])+)/g)) {
    const sources = [...match[0].matchAll(/\d+/g)].map(([number]) => Number(number));
    if (sources.some((number) => number > 3 || number === 0)) continue;
    const begin = from + /^\s*/.exec(text.slice(from))[0].length;
    citations.push({ begin: numCodePoints(text.slice(0, begin)), end: numCodePoints(text.slice(0, match.index)), sources });
    from = match.index + match[0].length;
  }
  return citations;
}

function chunksOf(text) {
  const half = text.indexOf(". ") + 1 || text.length;
  const neighbours = [{ ...passage("wiki:flute", 1), score: 0.83 }, { ...passage("wiki:schikaneder", 0), score: 0.64 }];
  return [  // of 310 tokens of prompt and the answer, 64 at a time
    { index: 0, end: 256, text: "", neighbours },
    { index: 1, end: 320, text: text.slice(0, half).replace(/ \[\d+\]/g, ""), neighbours },
    { index: 2, end: 384, text: text.slice(half).replace(/ ?\[\d+\]/g, "").trim(), neighbours: [{ ...passage("wiki:flute", 2), score: 0.58 }, { ...passage("wiki:tamino", 0), score: 0.55 }] },
  ];
}

/**
 * @param {{apiKey?: string, writable?: boolean, modes?: string[], pace?: number, port?: number}} [options]
 *   pace: milliseconds between pieces. state.death: a promise that a server which is to die waits for
 */
export async function startMockServer({ apiKey, writable = false, modes = ["off", "prompt"], pace = 2, port = 0 } = {}) {
  const state = { requests: [], refusals: [], added: new Map(), cancelled: 0, loading: 0, pace, generation: 6, numAnswers: 0, death: null };
  const server = createServer((request, response) => handle(request, response).catch((error) => {
    if (!response.headersSent) sendError(response, 500, String(error));
    else response.destroy();
  }));

  async function handle(request, response) {
    const url = new URL(request.url, "http://mock");
    const route = `${request.method} ${url.pathname}`;
    if (route === "GET /ready") return state.loading > 0 ? sendError(response, 503, "Loading.") : sendJson(response, 200, { status: "ok" });
    if (url.pathname.startsWith("/v1/")) {
      const text = await bodyOf(request);
      const body = text === "" ? null : JSON.parse(text);
      state.requests.push({ route, body, authorization: request.headers.authorization ?? null });
      if (apiKey && request.headers.authorization !== `Bearer ${apiKey}`) return sendError(response, 401, "This server asks for an API key.", "invalid_api_key");
      if (state.loading > 0) {
        state.loading--;
        return sendError(response, 503, "Loading.");
      }
      const refusal = route === "GET /v1/models" ? null : state.refusals.shift();
      if (refusal) return sendError(response, refusal.status, refusal.message, null, refusal.retryAfter && { "Retry-After": String(refusal.retryAfter) });
      return api(route, url, body, request, response);
    }
    return sendFile(url.pathname, response);
  }

  async function api(route, url, body, request, response) {
    if (route === "GET /v1/models") {
      return sendJson(response, 200, { object: "list", data: [{ id: "SmolLM2-360M-Instruct", object: "model", created: 1764028800, owned_by: "retro", max_model_len: 8192,
        retrieval: { modes, documents: 8862 + state.added.size, chunks: 17300 + state.added.size, writable } }] });
    }
    if (route === "POST /v1/answer") return answer(body, request, response);
    if (route === "POST /v1/feedback") return sendJson(response, 200, { ok: true });
    if (route === "POST /v1/documents") {
      if (!writable) return sendError(response, 403, "This server was not started with --writable.");
      const replaced = body.documents.filter(({ id }) => state.added.has(id)).length;
      for (const document of body.documents) state.added.set(document.id, document);
      return sendJson(response, 200, { added: body.documents.length - replaced, replaced, generation: ++state.generation });
    }
    const path = /^\/v1\/documents\/([^/]+)(\/chunks)?$/.exec(url.pathname);
    if (path && request.method === "DELETE") return sendJson(response, 200, { removed: state.added.delete(decodeURIComponent(path[1])) ? 1 : 0, generation: ++state.generation });
    if (path?.[2]) return chunksAround(decodeURIComponent(path[1]), url.searchParams, response);
    return sendError(response, 404, "There is no such route.");
  }

  function chunksAround(documentId, query, response) {
    const document = DOCUMENTS[documentId];
    if (!document) return sendError(response, 404, `There is no document ${documentId}.`);
    const all = document.chunks.map((_, index) => passage(documentId, index));
    const here = all.findIndex((chunk) => chunk.chunk_id === query.get("around")), n = Number(query.get("n"));
    return sendJson(response, 200, { document_id: documentId, title: document.title, chunks: all.slice(Math.max(0, here - n), here + n + 1) });
  }

  async function answer(body, request, response) {
    const scenario = { ...scenarioOf(body) };
    const id = `ans-${Date.now().toString(36)}-${++state.numAnswers}`;
    const sources = scenario.documents.length > 0 ? sourcesOf(scenario) : [];
    const found = scenario.found !== false;
    let isOpen = true;
    response.on("close", () => {
      if (!response.writableFinished && isOpen) state.cancelled++;
      isOpen = false;
    });
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    const send = (event, data) => write(response, `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`, scenario.cutBytes);
    await sleep(5 * state.pace);
    await send("sources", { id, sources, found });
    await write(response, ": ping\n\n");
    const usesAttention = body.retrieval.mode === "cca" || body.retrieval.mode === "both";
    const chunks = usesAttention && found ? chunksOf(scenario.text) : [];
    const pieces = scenario.text.match(/\s?\S+|\s+$/gu) ?? [];
    for (let i = 0; i < pieces.length && isOpen; i++) {
      await sleep(state.pace);
      if (i === 2 && chunks.length > 0) await send("chunk", { ...chunks[0], text: "" });
      await send("token", { text: pieces[i] });
      if (scenario.end === "never" && i === pieces.length - 1) i = -1;
    }
    if (!isOpen) return;
    if (scenario.end === "die") {
      await state.death;  // the browser drops what it has not read yet when a connection ends badly
      return response.destroy();
    }
    if (scenario.end === "error") {
      await send("error", { error: { message: "The engine stopped.", type: "server_error", param: null, code: null } });
      return response.end();
    }
    await send("answer", { id, question: body.question, model: "SmolLM2-360M-Instruct", text: scenario.text, plain_text: scenario.text.replace(/ \[\d+\]/g, ""), found,
      sources: judged(scenario, sources), citations: found && sources.length > 0 ? citationsOf(scenario.text) : [], chunks, finish_reason: scenario.finish ?? "stop",
      retrieval: { mode: body.retrieval.mode, k: body.retrieval.k }, usage: { prompt_tokens: 310, completion_tokens: pieces.length, total_tokens: 310 + pieces.length },
      timing_ms: { retrieve: 8.2, first_token: 214, total: 1370 } });
    response.end();
  }

  function scenarioOf({ question, retrieval }) {
    if (retrieval.mode === "off") return { documents: [], text: MEMORY };
    const asked = question.toLowerCase();
    const added = [...state.added.values()].find((document) => asked.includes(document.title.toLowerCase()));
    if (added) {
      DOCUMENTS[added.id] = { source: null, url: null, licence: null, ...added, chunks: [added.text] };
      return { documents: [added.id], text: `${added.text} [1]` };
    }
    return SCENARIOS.find(({ words }) => asked.includes(words));
  }

  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, state, close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) };
}

/** All at once, or in pieces of five bytes that cut characters in the middle. */
async function write(response, text, cutBytes = false) {
  const bytes = Buffer.from(text);
  if (!cutBytes) return response.write(bytes);
  for (let i = 0; i < bytes.length; i += 5) {
    response.write(bytes.subarray(i, i + 5));
    if (i % 40 === 0) await sleep(1);
  }
}

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function sendJson(response, status, value, headers = {}) {
  response.writeHead(status, { ...HEADERS, "Content-Type": "application/json", ...headers }).end(JSON.stringify(value));
}

function sendError(response, status, message, code = null, headers = {}) {
  sendJson(response, status, { error: { message, type: "error", param: null, code } }, headers ?? {});
}

async function sendFile(path, response) {
  const name = normalize(path === "/" ? "index.html" : path.slice(1));
  try {
    const content = await readFile(join(WEB, name));
    response.writeHead(200, { ...HEADERS, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream", "Cache-Control": "no-cache" }).end(content);
  } catch {
    sendError(response, 404, "There is no such file.");
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMockServer({ port: 8088, writable: true, modes: ["off", "prompt", "cca", "both"], pace: 60 });
  console.log(url);
}
