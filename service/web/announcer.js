// What screen readers hear: one polite region, fed in whole sentences and not token by token.

const BATCH_MS = 1000;
const SENTENCE_END = /[.!?…。؟۔][)"'”’]?(?: ?\[\d+\])*(?=\s)|\n/gu;

export class Announcer {
  /** @param {HTMLElement} region  with aria-live="polite" */
  constructor(region) {
    this.region = region;
    this.pending = [];
    this.timer = null;
  }

  say(text) {
    this.pending.push(text);
    this.timer ??= setTimeout(() => {
      this.region.textContent = this.pending.join(" ");
      this.pending = [];
      this.timer = null;
    }, BATCH_MS);
  }
}

/** Says a growing text as its sentences end. */
export class SpokenText {
  constructor(announcer) {
    this.announcer = announcer;
    this.spoken = 0;
  }

  /** @param {string} text  all of it so far */
  update(text) {
    let end = this.spoken;
    for (const match of text.slice(this.spoken).matchAll(SENTENCE_END)) end = this.spoken + match.index + match[0].length;
    this.#sayUntil(text, end);
  }

  finish(text) {
    this.#sayUntil(text, text.length);
  }

  #sayUntil(text, end) {
    const part = text.slice(this.spoken, end).trim();
    this.spoken = Math.max(this.spoken, end);
    if (part) this.announcer.say(part.replace(/\[(\d+)\]/g, "(source $1)"));
  }
}
