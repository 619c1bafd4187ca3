// "Was I right?": the user's answers are kept in this browser and change the songs at once.
import { download, element, make, rove } from "./element.js";
import { MOODS, icon } from "./moods.js";
import * as store from "./store.js";
import { onLanguage, say, text } from "./words.js";

const PLACE = "answers";
/** The reading on show and the user's answer: { name, answer, time, said }. */
let current = null;

/** Returns the kept answers. Leaves out incomplete ones, because the stored data may have been changed. */
const answers = () => store.load(PLACE, []).filter((kept) =>
  ["time", "clip", "recognised", "said"].every((name) => typeof kept?.[name] === "string"));

function showKept(words = null) {
  say("feedback-status", words);
  element("feedback-kept").hidden = answers().length === 0;
}

/** Asks the user about a new reading, or hides the question if `answer` is null. */
export function judge(answer, name) {
  current = answer ? { name, answer } : null;
  element("feedback").hidden = !answer;
  press(null);
  showKept();
}

/** Returns whether the user has named a mood for the reading on show. */
export const isJudged = () => Boolean(current?.said);

function press(mood) {
  for (const button of element("feedback-moods").children) {
    button.setAttribute("aria-pressed", String(button.dataset.mood === mood));
  }
}

/** Returns whether a spreadsheet would run a cell as a formula. Some take wide forms of the characters for the same. */
const isFormula = (words) => /^[=@＝＠\t\r]/.test(words) || (/^[+\-＋－].*\p{L}/su.test(words) && Number.isNaN(Number(words)));

const cell = (value) => {
  const words = String(value);
  // A text that has the mark already gets another one, so that each text can be restored.
  const safe = isFormula(words.replace(/^'+/, "")) ? `'${words}` : words;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Returns the answers as a table, with the byte order mark by which Excel recognises UTF-8. */
export function csv() {
  const header = ["time", "clip", "recognised", "said", ...MOODS];
  const rows = answers().map(({ time, clip, recognised, said, probabilities }) =>
    [time, clip, recognised, said, ...MOODS.map((mood) => (Number.isFinite(probabilities?.[mood]) ? probabilities[mood] : ""))]);
  return "\ufeff" + [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Calls `chosen` with the mood that the user names, or with null when the user deletes the answers. */
export function begin(chosen) {
  const choose = (mood) => {
    if (!current) return;
    const { name, answer } = current;
    const kept = answers().filter((other) => other.time !== current.time);
    current.time ??= new Date().toISOString();
    current.said = mood;
    kept.push({ time: current.time, clip: name, recognised: answer.mood, said: mood, probabilities: answer.probabilities });
    store.save(PLACE, kept);
    press(mood);
    showKept(() => text("feedback.thanks", { mood: text(mood.toLowerCase()) }));
    chosen(mood);
  };
  onLanguage(() => {
    element("feedback-moods").replaceChildren(...MOODS.map((mood) => {
      const button = make("button", { type: "button", data: { mood } }, icon(mood), text(mood));
      button.addEventListener("click", () => choose(mood));
      return button;
    }));
    rove(element("feedback-moods"));
    press(current?.said ?? null);
  });
  element("feedback-export").addEventListener("click", () => download(new Blob([csv()], { type: "text/csv" }), "answers.csv"));
  element("feedback-clear").addEventListener("click", () => {
    store.forget(PLACE);
    const wasJudged = isJudged();
    if (current) current = { name: current.name, answer: current.answer };
    press(null);
    showKept(() => text("feedback.cleared"));
    if (wasJudged) chosen(null);
    element("result").focus();
  });
}
