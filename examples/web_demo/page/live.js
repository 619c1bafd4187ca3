// Live: while the microphone is on, a reading every half second of the last three seconds, smoothed, drawn as lines over a minute. The
// minute is summed up while it runs and when it ends, so that songs follow it.
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
/** The weight of the newest reading. */
const NEW = 0.4;
/** Readings with speech that make a summary at the end, and while it runs. */
const ENOUGH = 2;
const ENOUGH_RUNNING = 10;
/** A summary every ten seconds while it runs. */
const SUMMARY_SECONDS = 10;

let microphone = null;
let timer = null;
let blocks = [];
let held = 0;
let isWaiting = false;
let said = "";
let smooth = null;
let summed = () => {};
/** { from, at, probabilities, confident }, smoothed, by the page's clock in seconds; probabilities are null for silence. */
const readings = [];
let summedAt = 0;

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

/** A reading of what was heard up to a second. Where the server is slow there are fewer, each for a longer time. */
function note(answer, at) {
  if (answer) {
    const before = smooth ?? answer.probabilities;
    const mix = (mood) => (1 - NEW) * before[mood] + NEW * answer.probabilities[mood];
    smooth = Object.fromEntries(MOODS.map((mood) => [mood, mix(mood)]));
  } else smooth = null;
  readings.push({ from: readings.at(-1)?.at ?? at - EVERY_MS / 1000, at, probabilities: smooth, confident: Boolean(answer?.confident) });
  while (readings[0].at <= at - MINUTE_SECONDS) readings.shift();
  const [[mood, share]] = smooth ? ranked(smooth) : [["silence"]];
  // Spoken only when it changes, or a screen reader would never rest.
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

/** The readings as stretches of one mood. */
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

/** The last minute as one reading; null if too little was said. */
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

/** Hides the live view. */
export function clear() {
  // A microphone that was just closed reports it a moment later.
  if (!microphone || microphone.state === "closed") element("live-section").hidden = true;
}
