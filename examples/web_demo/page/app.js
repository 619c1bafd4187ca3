// The page: a file, the microphone or the sample goes to the server, and what it answers is shown.
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

/** The shortest silence in seconds that the card mentions: at the ends, where nearly every recording has some, and between. */
const EDGE_SECONDS = 5;
const GAP_SECONDS = 1;

const LIVE = { key: "clip.live" };

const listening = new Latest();
/** What the card shows: { name, answer, isCut, note }; null without a card. */
let card = null;
/** Recognises the last recording again; null without one. */
let again = null;

/** Takes the old answer away: what is shown always belongs to the last recording. */
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

/** Makes room for a new recording: what a link asked for is no longer meant. */
function start() {
  if (location.hash) history.replaceState(null, "", location.pathname);
  preferences.restore();
  clear();
}

/** What a recording is called: `name` is a file's own, or `{ key }` of a text of the page. */
const called = (name) => (typeof name === "string" ? name : text(name.key));

/** Recognises what `give` gives, in which it may be withdrawn. `note` makes a text that the card shows beside the answer. */
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

/** What a listener should know of the recording. */
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

/** A mood without a recording: of a link, or of the last minute of live listening. */
function showMood(name, answer) {
  clear();
  card = { name, answer };
  feedback.judge(answer.chosen ? null : answer, called(name));
  showCard();
  songs.recommend(answer.probabilities);
}

/** The last minute of live listening: once it has enough speech, then every ten seconds, and when it ends. After the user has corrected it, it does not change. */
function showMinute(summary, isRunning) {
  const isShown = card?.name === LIVE;
  if (isShown && (!summary || feedback.isJudged())) return;
  if (!summary) say("status", () => text("live.nothing"));
  else if (!isShown) showMood(LIVE, summary);
  else {
    // The card is updated in place, because somebody may be reading it or choosing a song.
    const isNew = card.answer.mood !== summary.mood;
    card.answer = summary;
    feedback.judge(summary, called(LIVE));
    showCard();
    if (isNew || !isRunning) songs.recommend(summary.probabilities);
  }
}

/** Shows what the page's address asks for, or forgets what it asked for before. */
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

/** A file may be dropped anywhere. Text that is dropped is none of this page's business: it may go into a field. */
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
  // Or the same file could not be chosen again.
  target.value = "";
});
element("sample").addEventListener("click", () => recognize(sample, { key: "clip.sample" }));
dropAnywhere();
onLanguage(showCard);
onLanguage(() => element("moods").replaceChildren(...MOODS.map((mood) => make("li", { data: { mood } }, icon(mood), text(mood)))));
addEventListener("hashchange", showShared);
showShared();
