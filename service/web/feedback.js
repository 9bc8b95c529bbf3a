// Votes on an answer, with a comment, and on a passage.

import { button, h, iconButton, newId } from "./dom.js";

/**
 * @param {{api: import("./api.js").Api, notices: import("./notices.js").Notices}} context
 * @param {import("./types.js").Run} run
 * @param {() => void} save
 */
export function answerVote(context, run, save) {
  const commentId = newId("comment");
  const comment = h("textarea", { id: commentId, rows: 2, maxlength: 2000, dir: "auto" });
  const form = h("form", { class: "comment", hidden: true, onsubmit: async (event) => {
    event.preventDefault();
    const isSent = await send(context, { answer_id: run.id, vote: run.feedback.vote, comment: comment.value.trim(), passage: null });
    if (!isSent) return;
    run.feedback.comment = comment.value.trim();
    save();
    form.hidden = true;
    context.notices.toast("Thank you: the comment is with the server.");
    votes.querySelector("[aria-pressed=true]")?.focus();
  } },
  h("label", { for: commentId }, "What was wrong, or good?"), comment,
  h("div", { class: "actions" }, h("button", { class: "button primary" }, "Send comment"),
    button("No comment", () => { form.hidden = true; votes.querySelector("[aria-pressed=true]")?.focus(); })));
  const votes = votePair(["Good answer", "Bad answer"], run.feedback.vote, async (vote) => {
    if (!(await send(context, { answer_id: run.id, vote, comment: "", passage: null }))) return false;
    run.feedback.vote = vote;
    save();
    form.hidden = false;
    return true;
  });
  return { votes, form };
}

/** As above, for one passage of the answer. */
export function passageVote(context, run, passage, save) {
  return votePair(["Useful passage", "Passage of no use"], run.feedback.passages[passage.chunk_id] ?? null, async (vote) => {
    if (!(await send(context, { answer_id: run.id, vote, comment: "", passage: passage.chunk_id }))) return false;
    run.feedback.passages[passage.chunk_id] = vote;
    save();
    return true;
  });
}

/** @param {(vote: "up"|"down") => Promise<boolean>} cast  whether the server took it */
function votePair([upLabel, downLabel], vote, cast) {
  const make = (name, label, value) => iconButton(name, label, async () => {
    if (await cast(value)) for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.vote === value));
  }, { "aria-pressed": String(vote === value), "data-vote": value });
  const buttons = [make("up", upLabel, "up"), make("down", downLabel, "down")];
  return h("div", { class: "votes", role: "group", "aria-label": "Feedback" }, ...buttons);
}

async function send({ api, notices }, feedback) {
  try {
    await api.sendFeedback(feedback);
    return true;
  } catch (error) {
    notices.show("feedback", `The vote did not reach the server. ${error.message}`);
    return false;
  }
}
