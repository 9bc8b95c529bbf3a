// llama.cpp through node-llama-cpp's prebuilt binary: prefill and decode speed of a GGUF file, as one JSON line.
//   npm install --ignore-scripts node-llama-cpp    (in the folder that this is run from)
//   node peer_llamacpp.mjs MODEL.gguf PROMPT_TOKENS NEW_TOKENS
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const require = createRequire(process.cwd() + "/");
const {getLlama, LlamaCompletion} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const [file, promptTokens, newTokens] = [process.argv[2], +process.argv[3], +process.argv[4]];
const threads = +(process.env.BENCH_THREADS ?? 2);
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: threads});
const model = await llama.loadModel({modelPath: file});
const context = await model.createContext({threads, contextSize: 2048});
const prompt = model.tokenize("The history of the Roman Empire begins with the founding of the city and ".repeat(120)).slice(0, promptTokens);

async function once() {
    const sequence = context.getSequence();
    const completion = new LlamaCompletion({contextSequence: sequence});
    const start = performance.now();
    let first = null, count = 0;
    await completion.generateCompletion(prompt, {maxTokens: newTokens, temperature: 0, onToken(tokens) {
        first ??= performance.now();
        count += tokens.length;
    }});
    const end = performance.now();
    completion.dispose();
    sequence.dispose();
    return {prefill: promptTokens / ((first - start) / 1000), decode: (count - 1) / ((end - first) / 1000)};
}

await once();
const runs = [await once(), await once(), await once()];
const median = (key) => runs.map((run) => run[key]).sort((a, b) => a - b)[1];
console.log(JSON.stringify({prefill_tokens_per_s: median("prefill"), decode_tokens_per_s: median("decode")}));
process.exit(0);
