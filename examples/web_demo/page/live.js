// Live: while the microphone is on, a reading every half second of the last three seconds, smoothed, drawn as lines over a minute. The
// minute is summed up while it runs and when it ends, so that songs follow it.
import { join, level, wav } from "./audio.js";
import { element, make } from "./element.js";
import * as chart from "./chart.js";
import { Microphone, SILENCE_DB, showLevel } from "./microphone.js";
import { MOODS, ranked } from "./moods.js";
import { complain, post } from "./server.js";
import { clock, onLanguage, percent, text } from "./words.js";

const WINDOW_SECONDS = 3;
const EVERY_MS = 500;
const READINGS = 120;
/** The weight of the newest reading. */
const NEW = 0.4;
/** Readings with speech that make a summary at the end, and while it runs. */
const ENOUGH = 2;
const ENOUGH_RUNNING = 10;
/** A summary every ten seconds while it runs. */
const SUMMARY_EVERY = 20;

let microphone = null;
let timer = null;
let blocks = [];
let held = 0;
let isWaiting = false;
let said = "";
let smooth = null;
let summed = () => {};
/** { probabilities, confident }, smoothed; null for silence. */
const readings = [];

function listen(block) {
  blocks.push(block);
  held += block.length;
  while (held - blocks[0].length >= WINDOW_SECONDS * microphone.sampleRate) held -= blocks.shift().length;
}

async function read() {
  const mine = microphone;
  // Half a second at least, and never two questions at once: a slow server gets fewer, not more.
  if (isWaiting || mine?.state !== "on" || held < mine.sampleRate / 2) return;
  const samples = join(blocks).slice(-WINDOW_SECONDS * mine.sampleRate);
  showLevel(level(samples.subarray(Math.max(0, samples.length - mine.sampleRate / 4))));
  isWaiting = true;
  try {
    const response = await post(`/api/recognize?count=0&silence_db=${SILENCE_DB}`, wav(samples, mine.sampleRate));
    const answer = await response.json();
    if (mine === microphone) note(answer);
  } catch (error) {
    if (mine !== microphone) return;
    if (["silence", "too-short", "no-speech"].includes(error.code)) note(null);
    else if (error.code !== "busy") {
      complain(error);
      mine.close();
    }
  } finally {
    isWaiting = false;
  }
}

function note(answer) {
  if (answer) {
    const before = smooth ?? answer.probabilities;
    const mix = (mood) => (1 - NEW) * before[mood] + NEW * answer.probabilities[mood];
    smooth = Object.fromEntries(MOODS.map((mood) => [mood, mix(mood)]));
  } else smooth = null;
  readings.push(smooth && { probabilities: smooth, confident: answer.confident });
  if (readings.length > READINGS) readings.shift();
  const [[mood, share]] = smooth ? ranked(smooth) : [["silence"]];
  // Spoken only when it changes, or a screen reader would never rest.
  const now = element("live-now");
  now.setAttribute("aria-live", mood === said ? "off" : "polite");
  now.textContent = smooth ? text("live.now", { mood: text(mood), share: percent(share) }) : text("live.silence");
  now.dataset.mood = mood;
  const count = Number(now.dataset.readings ?? 0) + 1;
  now.dataset.readings = String(count);
  said = mood;
  show();
  const minute = count % SUMMARY_EVERY === 0 && summary(ENOUGH_RUNNING);
  if (minute) summed(minute, true);
}

/** The readings as stretches of one mood. */
function stretches() {
  const found = [];
  readings.forEach((reading, i) => {
    const mood = reading ? ranked(reading.probabilities)[0][0] : null;
    const end = (i + 1) * EVERY_MS / 1000;
    if (found.at(-1)?.mood === mood && found.length > 0) found.at(-1).end = end;
    else found.push({ start: i * EVERY_MS / 1000, end, mood });
  });
  return found;
}

function show() {
  chart.drawLines(element("timeline"), readings.map((reading) => reading?.probabilities ?? null), READINGS, EVERY_MS);
  element("live-text").replaceChildren(...stretches().map(({ start, end, mood }) => make("li", {
    textContent: text("sound.segment", { start: clock(start), end: clock(end), what: mood ? text(mood.toLowerCase()) : text("sound.none") }),
  })));
}

/** The last minute as one reading; null if too little was said. */
function summary(enough) {
  const spoken = readings.filter(Boolean);
  if (spoken.length < enough) return null;
  const mean = (mood) => spoken.reduce((sum, { probabilities }) => sum + probabilities[mood], 0) / spoken.length;
  const probabilities = Object.fromEntries(MOODS.map((mood) => [mood, mean(mood)]));
  const [[mood]] = ranked(probabilities);
  const agree = spoken.filter((reading) => reading.confident && ranked(reading.probabilities)[0][0] === mood).length;
  return { mood, probabilities, confident: agree > spoken.length / 2 };
}

function showState(state) {
  const isOn = state === "on";
  const button = element("live");
  button.dataset.state = state;
  button.textContent = text({ on: "input.liveStop", pending: "input.pending" }[state] ?? "input.live");
  if (isOn) element("live-section").hidden = false;
}

/** `begun` is called when it starts, `told` is given the last minute, or null, and whether it still runs. */
export function begin(begun, told) {
  summed = told;
  const start = () => {
    begun();
    blocks = [];
    held = 0;
    smooth = null;
    said = "";
    readings.length = 0;
    element("live-now").textContent = text("live.listening");
    const mine = new Microphone((block) => listen(block), (...change) => queueMicrotask(() => changed(...change)));
    microphone = mine;
    const changed = (state, problem) => {
      if (microphone !== mine) return;
      showState(state);
      if (state === "on") timer = setInterval(read, EVERY_MS);
      if (state !== "closed") return;
      clearInterval(timer);
      microphone = null;
      if (problem) complain(problem);
      else if (mine.isDone) summed(summary(ENOUGH), false);
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
    const lines = MOODS.map((mood) => text("live.line", { mood: text(mood), kind: text(`line.${mood}`) })).join(", ");
    element("live-legend").textContent = text("live.legend", { lines });
    showState(microphone?.state ?? "closed");
    if (!element("live-section").hidden) show();
  });
}

/** Takes the lines away. */
export function clear() {
  // It may have been closed just now, which is told a moment later.
  if (!microphone || microphone.state === "closed") element("live-section").hidden = true;
}
