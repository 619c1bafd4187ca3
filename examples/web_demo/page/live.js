// Live listening: while the microphone is on, the last three seconds are recognised every half second. The readings are smoothed and drawn
// as lines over one minute. A summary of the last minute, which decides the songs, is made every ten seconds and at the end.
import { join, wav } from "./audio.js";
import { element, make } from "./element.js";
import * as chart from "./chart.js";
import { Microphone, SILENCE_DB } from "./microphone.js";
import { query as model } from "./model.js";
import { MOODS, ranked } from "./moods.js";
import { complain, post } from "./server.js";
import { list, onLanguage, percent, say, saying, stretch, text } from "./words.js";

const WINDOW_SECONDS = 3;
const EVERY_MS = 500;
const MINUTE_SECONDS = 60;
/** Weight of the newest reading in the smoothed probabilities. */
const NEW = 0.4;
/** Smallest number of readings with speech for a summary at the end, and for one while listening. */
const ENOUGH = 2;
const ENOUGH_RUNNING = 10;
/** Time between summaries while listening. */
const SUMMARY_SECONDS = 10;

let microphone = null;
let timer = null;
let blocks = [];
let held = 0;
let isWaiting = false;
let said = "";
let smooth = null;
let summed = () => {};
/** Smoothed readings { from, at, probabilities, confident }. Times are in seconds of the page's clock. Silence has null probabilities. */
const readings = [];
let summedAt = 0;

function listen(block) {
  blocks.push(block);
  held += block.length;
  while (held - blocks[0].length >= WINDOW_SECONDS * microphone.sampleRate) held -= blocks.shift().length;
}

async function read() {
  const mine = microphone;
  // A reading needs at least half a second of sound. There is only one request at a time, so that a slow server gets fewer requests.
  if (isWaiting || mine?.state !== "on" || held < mine.sampleRate / 2) return;
  const samples = join(blocks).slice(-WINDOW_SECONDS * mine.sampleRate);
  const at = performance.now() / 1000;
  isWaiting = true;
  try {
    const response = await post(`/api/recognize?count=0&silence_db=${SILENCE_DB}${model()}`, wav(samples, mine.sampleRate));
    const answer = await response.json();
    if (mine === microphone) note(answer, at);
  } catch (error) {
    if (mine !== microphone) return;
    if (["silence", "too-short", "no-speech"].includes(error.code)) note(null, at);
    else if (error.code !== "busy") {
      complain(error);
      mine.close();
    }
  } finally {
    isWaiting = false;
  }
}

/**
 * Adds a reading of the sound until `at`, in seconds of the page's clock. `answer` is null for silence. If the server is slow, there are
 * fewer readings, and each covers a longer time.
 */
function note(answer, at) {
  if (answer) {
    const before = smooth ?? answer.probabilities;
    const mix = (mood) => (1 - NEW) * before[mood] + NEW * answer.probabilities[mood];
    smooth = Object.fromEntries(MOODS.map((mood) => [mood, mix(mood)]));
  } else smooth = null;
  readings.push({ from: readings.at(-1)?.at ?? at - EVERY_MS / 1000, at, probabilities: smooth, confident: Boolean(answer?.confident) });
  while (readings[0].at <= at - MINUTE_SECONDS) readings.shift();
  const [[mood, share]] = smooth ? ranked(smooth) : [["silence"]];
  // A screen reader announces the mood only if it changes. Otherwise it would speak all the time.
  const now = element("live-now");
  now.setAttribute("aria-live", mood === said ? "off" : "polite");
  say("live-now", () => (share === undefined ? text("live.silence") : text("live.now", { mood: text(mood), share: percent(share) })));
  now.dataset.mood = mood;
  now.dataset.readings = String(Number(now.dataset.readings ?? 0) + 1);
  said = mood;
  show();
  if (at - summedAt < SUMMARY_SECONDS) return;
  summedAt = at;
  const minute = summary(ENOUGH_RUNNING);
  if (minute) summed(minute, true);
}

/** Joins the readings into stretches of one mood. */
function stretches() {
  const found = [];
  const begin = readings[0]?.from;
  for (const { from, at, probabilities } of readings) {
    const mood = probabilities ? ranked(probabilities)[0][0] : null;
    if (found.at(-1)?.mood === mood && found.length > 0) found.at(-1).end = at - begin;
    else found.push({ start: from - begin, end: at - begin, mood });
  }
  return found;
}

const draw = () => chart.drawLines(element("timeline"), readings, MINUTE_SECONDS);

function show() {
  draw();
  element("live-text").replaceChildren(...stretches().map(({ start, end, mood }) =>
    make("li", { textContent: stretch(start, end, text(mood ? mood.toLowerCase() : "sound.none")) })));
}

/** Returns the last minute as one reading, or null if fewer than `enough` readings have speech. */
function summary(enough) {
  const spoken = readings.filter(({ probabilities }) => probabilities);
  if (spoken.length < enough) return null;
  const mean = (mood) => spoken.reduce((sum, { probabilities }) => sum + probabilities[mood], 0) / spoken.length;
  const probabilities = Object.fromEntries(MOODS.map((mood) => [mood, mean(mood)]));
  const [[mood]] = ranked(probabilities);
  const agree = spoken.filter((reading) => reading.confident && ranked(reading.probabilities)[0][0] === mood).length;
  return { mood, probabilities, confident: agree > spoken.length / 2 };
}

const soon = () => text("live.soon");

function showState(state) {
  const isOn = state === "on";
  const button = element("live");
  button.dataset.state = state;
  button.textContent = text({ on: "input.liveStop", pending: "input.pending" }[state] ?? "input.live");
  if (!isOn) return;
  element("live-section").hidden = false;
  show();
}

/** Calls `begun` when listening starts, and `told` with the summary of the last minute, or null, and whether listening continues. */
export function begin(begun, told) {
  summed = told;
  const start = () => {
    begun();
    blocks = [];
    held = 0;
    smooth = null;
    said = "";
    readings.length = 0;
    summedAt = performance.now() / 1000;
    // Old readings are hidden while the browser asks for permission, which may be refused.
    element("live-section").hidden = true;
    element("live-now").removeAttribute("data-mood");
    say("live-now", () => text("live.listening"));
    const mine = new Microphone((block) => listen(block), (...change) => queueMicrotask(() => changed(...change)));
    microphone = mine;
    const changed = (state, problem) => {
      if (microphone !== mine) return;
      showState(state);
      if (state === "on") {
        say("status", soon);
        timer = setInterval(read, EVERY_MS);
      }
      if (state !== "closed") return;
      if (saying("status") === soon) say("status");
      clearInterval(timer);
      microphone = null;
      if (readings.length === 0) element("live-section").hidden = true;
      if (mine.isDone || problem?.code === "microphone.lost") summed(summary(ENOUGH), false);
      if (problem) complain(problem);
    };
  };
  element("live").addEventListener("click", () => {
    if (!microphone) start();
    else {
      microphone.isDone = microphone.state === "on";
      microphone.close();
    }
  });
  onLanguage(() => {
    const lines = MOODS.map((mood) => text("live.line", { mood: text(mood), kind: text(`line.${mood}`) }));
    element("live-legend").textContent = text("live.legend", { lines: list(lines) });
    showState(microphone?.state ?? "closed");
    if (!element("live-section").hidden) show();
  });
  new ResizeObserver(draw).observe(element("timeline"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** Hides the lines, unless the microphone is on. */
export function clear() {
  // `microphone` stays set for a moment after it was closed, because its state change is handled in a microtask.
  if (!microphone || microphone.state === "closed") element("live-section").hidden = true;
}
