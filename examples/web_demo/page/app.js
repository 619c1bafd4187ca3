// The page: sends a file, a recording or the sample to the server, and shows the answer.
import { hear } from "./clip.js";
import { element, make } from "./element.js";
import * as feedback from "./feedback.js";
import * as heard from "./heard.js";
import * as live from "./live.js";
import { SILENCE_DB, release } from "./microphone.js";
import * as model from "./model.js";
import { MOODS, icon, showVerdict } from "./moods.js";
import * as playlist from "./playlist.js";
import * as record from "./record.js";
import { Latest, ask, complain } from "./server.js";
import * as songs from "./songs.js";
import * as sound from "./sound.js";
import * as preferences from "./preferences.js";
import * as words from "./words.js";

const { number, onLanguage, say, text } = words;

/** Shortest silence in seconds that the card mentions: at the ends, where nearly every recording has some silence, and in between. */
const EDGE_SECONDS = 5;
const GAP_SECONDS = 1;

const LIVE = { key: "clip.live" };

const listening = new Latest();
/** Content of the card: { name, answer, isCut, note }, or null without a card. */
let card = null;
/** Function that recognises the last recording again, or null without a recording. */
let again = null;

/** Removes the old answer, so that the page always shows the last recording. */
function clear() {
  listening.withdraw();
  card = null;
  again = null;
  element("result").hidden = true;
  sound.show(null);
  heard.show(null);
  songs.clear();
  complain(null);
  say("status");
  element("answer").removeAttribute("aria-busy");
}

/** Prepares the page for a new recording: removes the old answer and the settings of a link. */
function start() {
  if (location.hash) history.replaceState(null, "", location.pathname);
  preferences.restore();
  clear();
}

/** Returns the name of a recording: `name` is a file name, or `{ key }` with the key of a text of the page. */
const called = (name) => (typeof name === "string" ? name : text(name.key));

/**
 * Recognises the file that `give` returns. `give` gets a signal that is aborted when another recognition starts. `note` is null or a
 * function that returns a text, which the card shows beside the answer.
 */
async function recognize(give, name, { query = "", note = null } = {}) {
  release();
  live.clear();
  start();
  again = () => recognize(give, name, { query, note });
  say("status", () => text("input.listening", { name: called(name) }));
  element("answer").setAttribute("aria-busy", "true");
  try {
    await listening.run(async (signal, isLatest) => {
      const found = await hear(await give(signal), query, signal);
      if (!isLatest()) return;
      show(name, found, note);
      await songs.recommend(found.answer.probabilities);
    });
  } catch (error) {
    clear();
    complain(error);
  } finally {
    if (card || element("problem").textContent) {
      say("status");
      element("answer").removeAttribute("aria-busy");
    }
  }
}

function show(name, { answer, file, cut }, note) {
  const { timeline, audio } = answer;
  card = { name, answer, isCut: cut, note };
  sound.show({ file, cut, timeline, peaks: audio.peaks, seconds: audio.seconds });
  heard.show({ file, cut, answer });
  feedback.judge(answer, called(name));
  showCard();
  element("result").focus();
}

/** Returns the notices about the recording as one text. */
function notices({ answer, isCut, note }) {
  const codes = (answer.notices ?? []).map(({ code }) => code);
  const told = note ? [note()] : [];
  if (codes.includes("too-long")) told.push(text("notice.too-long"));
  else if (isCut) told.push(text("notice.cut", { time: words.clock(answer.audio.seconds) }));
  else if (codes.includes("file")) told.push(text("notice.file"));
  const isTold = ({ start, end, mood }, at, { length }) =>
    !mood && end - start >= (at === 0 || at === length - 1 ? EDGE_SECONDS : GAP_SECONDS);
  if (answer.timeline?.some(isTold)) told.push(text("notice.silence"));
  return told.join(" ");
}

function showCard() {
  if (!card) return;
  const { name, answer } = card;
  const length = answer.audio && words.length(answer.audio.seconds);
  element("clip").textContent = length ? text("verdict.clip", { name: called(name), length }) : called(name);
  showVerdict(answer);
  element("notice").textContent = notices(card);
  element("result").hidden = false;
}

/** Shows a mood without a recording: that of a link, or of the last minute of live listening. */
function showMood(name, answer) {
  clear();
  card = { name, answer };
  feedback.judge(answer.chosen ? null : answer, called(name));
  showCard();
  songs.recommend(answer.probabilities);
}

/**
 * Shows the mood of the last minute of live listening. It is called when the minute has enough speech, then every ten seconds, and at the
 * end. After the user has named a mood, the card does not change.
 */
function showMinute(summary, isRunning) {
  const isShown = card?.name === LIVE;
  if (isShown && (!summary || feedback.isJudged())) return;
  if (!summary) say("status", () => text("live.nothing"));
  else if (!isShown) showMood(LIVE, summary);
  else {
    // The card is updated in place, because the user may be reading it or choosing a song.
    const isNew = card.answer.mood !== summary.mood;
    card.answer = summary;
    feedback.judge(summary, called(LIVE));
    showCard();
    if (isNew || !isRunning) songs.recommend(summary.probabilities);
  }
}

/** Shows the mood in the page's address. If there is none, restores the user's own preferences and updates the songs. */
function showShared() {
  const shared = playlist.shared();
  if (!shared) {
    preferences.restore();
    songs.recommend();
    return;
  }
  release();
  live.clear();
  preferences.lend(shared);
  const probabilities = Object.fromEntries(MOODS.map((mood) => [mood, mood === shared.mood ? 1 : 0]));
  showMood({ key: "clip.link" }, { mood: shared.mood, probabilities, confident: true, chosen: true });
}

function take(files) {
  const [file] = files;
  const count = number(files.length);
  const note = files.length > 1 ? () => text("notice.first", { count }) : null;
  if (file) recognize(() => file, file.name, { note });
}

const sample = async (signal) => (await ask("/sample.wav", { signal })).blob();

/** Accepts a file that is dropped anywhere on the page. Dropped text is left to the browser, because it may belong into a field. */
function dropAnywhere() {
  const over = (isOver) => document.body.classList.toggle("over", isOver);
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => !event.relatedTarget && over(false));
  addEventListener("drop", (event) => {
    over(false);
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

words.begin();
feedback.begin((mood) => songs.recommend(mood ? { [mood]: 1 } : card.answer.probabilities));
heard.begin();
playlist.begin();
songs.begin();
sound.begin();
const silence = `&silence_db=${SILENCE_DB}`;
const begun = () => {
  release();
  live.clear();
  start();
};
record.begin(begun, (file, note) => recognize(() => file, { key: "clip.recording" }, { query: silence, note }));
live.begin(start, showMinute);
model.begin(() => again?.());
element("file").addEventListener("change", ({ target }) => {
  take(target.files);
  // Otherwise choosing the same file again would not cause a `change` event.
  target.value = "";
});
element("sample").addEventListener("click", () => recognize(sample, { key: "clip.sample" }));
dropAnywhere();
onLanguage(showCard);
onLanguage(() => element("moods").replaceChildren(...MOODS.map((mood) => make("li", { data: { mood } }, icon(mood), text(mood)))));
addEventListener("hashchange", showShared);
showShared();
