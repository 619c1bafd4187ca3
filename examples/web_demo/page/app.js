// The page: a file, the microphone or the sample goes to the server, and what it answers is shown.
import { decodeHere } from "./audio.js";
import { element, make } from "./element.js";
import * as feedback from "./feedback.js";
import * as heard from "./heard.js";
import * as live from "./live.js";
import { SILENCE_DB, release } from "./microphone.js";
import { MOODS, icon, showVerdict } from "./moods.js";
import * as playlist from "./playlist.js";
import * as record from "./record.js";
import { Latest, ask, complain, post } from "./server.js";
import * as songs from "./songs.js";
import * as sound from "./sound.js";
import * as wishes from "./wishes.js";
import * as words from "./words.js";

const { measure, onLanguage, say, text } = words;

const MAX_BYTES = 20_000_000;
/** What the browser may know and the server doesn't, or a start alone doesn't tell. */
const PERHAPS = ["not-audio", "unsupported-codec"];

const LIVE = { key: "clip.live" };

const listening = new Latest();
/** What the card shows: { name, answer, isCut, note }; null without a card. */
let card = null;

/** Takes the old answer away: what is shown always belongs to the last recording. */
function clear() {
  listening.withdraw();
  card = null;
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
  wishes.restore();
  clear();
}

/** Asks for the mood of a file: of its start, where it is too large. Gives { answer, file, cut }. */
async function hear(file, wish, signal) {
  const send = async (part, cut) => {
    const answer = await (await post(`/api/recognize?count=0&cut=${cut}${wish}`, part, signal)).json();
    return { answer, file: part, cut };
  };
  const isLarge = file.size > MAX_BYTES;
  try {
    return await send(isLarge ? file.slice(0, MAX_BYTES) : file, isLarge);
  } catch (error) {
    const mayKnow = PERHAPS.includes(error.code) || (isLarge && error.code === "damaged");
    const decoded = mayKnow ? await decodeHere(file, MAX_BYTES) : null;
    if (!decoded) throw error;
    return { ...(await send(decoded.file, false)), isShortened: decoded.cut };
  }
}

/** What a recording is called: `name` is a file's own, or `{ key }` of a text of the page. */
const called = (name) => (typeof name === "string" ? name : text(name.key));

/** Recognises what `give` gives, in which it may be withdrawn. `note` names a text that the card shows beside the answer. */
async function recognize(give, name, { wish = "", note = null } = {}) {
  release();
  live.clear();
  start();
  say("status", () => text("input.listening", { name: called(name) }));
  element("answer").setAttribute("aria-busy", "true");
  try {
    await listening.run(async (signal, isLatest) => {
      const found = await hear(await give(signal), wish, signal);
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

function show(name, { answer, file, cut, isShortened = false }, note) {
  const { timeline, audio } = answer;
  card = { name, answer, isCut: cut || isShortened, note };
  sound.show({ file, cut, timeline, peaks: audio.peaks, seconds: audio.seconds });
  heard.show({ file, cut, answer });
  feedback.judge(answer, called(name));
  showCard();
  element("result").focus();
}

/** What a listener should know of the recording. */
function notices({ answer, isCut, note }) {
  const codes = (answer.notices ?? []).map(({ code }) => code);
  const told = note ? [text(note)] : [];
  if (codes.includes("too-long")) told.push(text("notice.too-long"));
  else if (isCut) told.push(text("notice.cut", { time: words.clock(answer.audio.seconds) }));
  else if (codes.includes("file")) told.push(text("notice.file"));
  // Nearly every recording begins and ends with silence.
  const between = answer.timeline?.slice(1, -1) ?? [];
  if (between.some(({ start, end, mood }) => !mood && end - start >= 1)) told.push(text("notice.silence"));
  return told.join(" ");
}

function showCard() {
  if (!card) return;
  const { name, answer } = card;
  const length = answer.audio && measure(answer.audio.seconds, "second", 1);
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

/** The last minute of live listening: once it has enough speech, each time that its mood changes, and when it ends. */
function showMinute(summary, isRunning) {
  const isShown = card?.name.key === LIVE.key;
  // What the user said of it stands.
  if (isShown && feedback.isJudged()) return;
  if (!summary) {
    say("status", () => text("live.nothing"));
  } else if (isShown && card.answer.mood === summary.mood) {
    card.answer = summary;
    feedback.judge(summary, called(LIVE));
    showCard();
    if (!isRunning) songs.recommend(summary.probabilities);
  } else showMood(LIVE, summary);
}

function showShared() {
  const shared = playlist.shared();
  if (!shared) return;
  wishes.lend(shared);
  const probabilities = Object.fromEntries(MOODS.map((mood) => [mood, mood === shared.mood ? 1 : 0]));
  showMood({ key: "clip.link" }, { mood: shared.mood, probabilities, confident: true, chosen: true });
}

function take(files) {
  const [file] = files;
  if (file) recognize(() => file, file.name);
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
feedback.begin((mood) => songs.recommend({ [mood]: 1 }));
heard.begin();
playlist.begin();
songs.begin();
sound.begin();
const silence = `&silence_db=${SILENCE_DB}`;
record.begin(() => { live.clear(); start(); }, (file, note) => recognize(() => file, { key: "clip.recording" }, { wish: silence, note }));
live.begin(start, showMinute);
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
