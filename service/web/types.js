// The shapes that the server speaks and the page stores, as JSDoc types. Nothing here runs.

/**
 * A chunk of a document as a person reads it. Offsets anywhere are Unicode code points.
 * @typedef {object} Passage
 * @property {string} chunk_id  64 bits: never a JavaScript number
 * @property {string} document_id
 * @property {string} title
 * @property {string} [source]
 * @property {?string} [url]
 * @property {?string} [licence]
 * @property {number} position  token offset in its document
 * @property {number} [score]  cosine with the question, or with the chunk of text it was retrieved for
 * @property {string} text
 */

/**
 * @typedef {Passage & {number: number, sentence: string, similarity: number, support: number, cited: boolean,
 *   highlight: ?{begin: number, end: number}}} Source
 */

/** @typedef {{begin: number, end: number, sources: number[]}} Citation  a span of Answer.text and what supports it */

/** @typedef {{index: number, end: number, text: string, neighbours: Passage[]}} Chunk  `end` counts tokens */

/**
 * @typedef {object} Answer
 * @property {string} id
 * @property {string} question
 * @property {string} model
 * @property {string} text  with markers " [1]"
 * @property {string} plain_text
 * @property {boolean} found
 * @property {Source[]} sources
 * @property {Citation[]} citations
 * @property {Chunk[]} chunks
 * @property {"stop"|"length"|"cancelled"} finish_reason
 * @property {{mode: string, k: number}} retrieval
 * @property {{prompt_tokens: number, completion_tokens: number, total_tokens: number}} usage
 * @property {{retrieve: number, first_token: number, total: number}} timing_ms
 */

/**
 * @typedef {object} ModelInfo
 * @property {string} id
 * @property {string?} [parent]  of an adapter: the id of its base
 * @property {{modes: string[], documents: number, chunks: number, writable: boolean}} retrieval
 */

/**
 * @typedef {object} Settings
 * @property {"off"|"prompt"|"cca"|"both"} mode
 * @property {number} k
 * @property {number} nprobe
 * @property {number} threshold
 * @property {number} max_tokens
 * @property {number} temperature
 * @property {number} top_p
 * @property {number} seed
 */

/**
 * One answer as it grows, and as it is stored. "failed": the server refused before anything came. "broken": it came
 * to an end in the middle, and what had come is kept.
 * @typedef {object} Run
 * @property {string} id  the answer's; "" until the server told it
 * @property {Settings} settings
 * @property {"waiting"|"writing"|"done"|"stopped"|"broken"|"failed"} state
 * @property {string} text
 * @property {boolean} found
 * @property {Source[]} sources
 * @property {Citation[]} citations
 * @property {Chunk[]} chunks
 * @property {?Answer} answer  as the server sent it last
 * @property {?string} error
 * @property {{vote: ?string, comment: string, passages: Object<string, string>}} feedback
 */

/** @typedef {{id: string, created: number, question: string, runs: Run[]}} Entry  id: that of the first answer */

export {};
