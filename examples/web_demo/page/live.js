// Live: while the microphone is on, a reading every half second of the last three seconds, drawn as a timeline.
import { MOODS, SILENCE_DB, ask, complain, element, meter } from "./common.js";
import { Microphone, level, microphoneProblem, wav } from "./audio.js";

const WINDOW_SECONDS = 3;
const EVERY_MS = 500;
const READINGS = 120;
const COLOURS = { Calm: "#0072b2", Happy: "#e69f00", Sad: "#cc79a7", Energetic: "#d55e00" };
const DASHES = { Calm: [], Happy: [10, 4], Sad: [3, 3], Energetic: [14, 4, 3, 4] };
const LINES = { Calm: "whole line", Happy: "dashes", Sad: "dots", Energetic: "dashes and dots" };
const HEIGHT = 180;
const RIGHT = 96;

let microphone = null;
let timer = null;
let blocks = [];
let held = 0;
let waiting = false;
let said = "";
const readings = [];

function listen(block) {
  blocks.push(block);
  held += block.length;
  while (held - blocks[0].length >= WINDOW_SECONDS * microphone.sampleRate) held -= blocks.shift().length;
}

function recent() {
  const samples = new Float32Array(held);
  let at = 0;
  for (const block of blocks) {
    samples.set(block, at);
    at += block.length;
  }
  return samples.subarray(Math.max(0, held - WINDOW_SECONDS * microphone.sampleRate));
}

async function read() {
  // Half a second at least, and never two questions at once: a slow server gets fewer, not more.
  if (waiting || !microphone || held < microphone.sampleRate / 2) return;
  const samples = recent();
  meter(level(samples.subarray(Math.max(0, samples.length - microphone.sampleRate / 4))));
  waiting = true;
  try {
    const body = wav(samples, microphone.sampleRate);
    const answer = await ask(`/api/recognize?count=0&silence_db=${SILENCE_DB}`, { method: "POST", body });
    note(answer.mood, answer.probabilities);
  } catch (error) {
    if (["silence", "too-short", "no-speech"].includes(error.code)) note("silence", null);
    else if (error.code !== "busy") {
      complain(error);
      await stop();
    }
  } finally {
    waiting = false;
  }
}

function note(mood, probabilities) {
  if (!microphone) return;
  readings.push(probabilities);
  if (readings.length > READINGS) readings.shift();
  const text = mood === "silence" ? "Silence" : `${mood}, ${Math.round(probabilities[mood] * 100)} %`;
  // Spoken only when it changes, or a screen reader would never rest.
  const now = element("live-now");
  now.setAttribute("aria-live", mood === said ? "off" : "polite");
  now.textContent = text;
  now.dataset.readings = String(Number(now.dataset.readings ?? 0) + 1);
  said = mood;
  draw();
}

function draw() {
  const canvas = element("timeline");
  const pen = canvas.getContext("2d");
  // As many pixels as the screen shows, or letters would shrink with the canvas on a phone.
  const [width, height] = [canvas.clientWidth, HEIGHT];
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  pen.scale(devicePixelRatio, devicePixelRatio);
  const ink = getComputedStyle(document.body).color;
  const step = (width - RIGHT - 40) / (READINGS - 1);
  const x = (i) => width - RIGHT - (readings.length - 1 - i) * step;
  const y = (share) => 12 + (1 - share) * (height - 40);
  pen.clearRect(0, 0, width, height);
  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = ink;
  pen.strokeStyle = ink;
  pen.lineWidth = 0.3;
  pen.setLineDash([]);
  for (const share of [0, 0.5, 1]) {
    pen.beginPath();
    pen.moveTo(40, y(share));
    pen.lineTo(width - RIGHT, y(share));
    pen.stroke();
    pen.fillText(`${share * 100} %`, 2, y(share) + 4);
  }
  for (let seconds = 0; seconds <= 60; seconds += 15) {
    const at = width - RIGHT - (seconds * 1000 / EVERY_MS) * step;
    pen.fillText(seconds === 0 ? "now" : `−${seconds} s`, Math.max(0, at - 14), height - 6);
  }
  pen.lineWidth = 2.5;
  const ends = [];
  for (const mood of MOODS) {
    pen.strokeStyle = COLOURS[mood];
    pen.setLineDash(DASHES[mood]);
    pen.beginPath();
    let drawing = false;
    readings.forEach((reading, i) => {
      if (!reading) {
        drawing = false;
      } else {
        pen[drawing ? "lineTo" : "moveTo"](x(i), y(reading[mood]));
        drawing = true;
      }
    });
    pen.stroke();
    const last = readings.at(-1);
    if (last) ends.push([y(last[mood]), mood]);
  }
  // Names beside the lines' ends, pushed apart where they would overlap, and none below the axis.
  ends.sort((a, b) => a[0] - b[0]);
  let free = 0;
  ends.forEach(([at, mood], i) => {
    free = Math.max(Math.min(at, y(0) - 14 * (ends.length - 1 - i)), free + 14);
    pen.strokeStyle = COLOURS[mood];
    pen.setLineDash(DASHES[mood]);
    pen.beginPath();
    pen.moveTo(width - RIGHT + 6, free);
    pen.lineTo(width - RIGHT + 28, free);
    pen.stroke();
    pen.fillText(mood, width - RIGHT + 32, free + 4);
  });
}

export async function stop() {
  clearInterval(timer);
  timer = null;
  const stopped = microphone;
  microphone = null;
  element("live").setAttribute("aria-pressed", "false");
  element("level-row").hidden = true;
  await stopped?.stop();
}

async function start() {
  blocks = [];
  held = 0;
  readings.length = 0;
  said = "";
  element("live-now").textContent = "Listening…";
  try {
    microphone = await Microphone.open((block) => microphone && listen(block));
  } catch (error) {
    complain({ message: microphoneProblem(error) });
    return;
  }
  element("live").setAttribute("aria-pressed", "true");
  element("live-section").hidden = false;
  element("level-row").hidden = false;
  timer = setInterval(read, EVERY_MS);
}

export function begin() {
  const legend = MOODS.map((mood) => `${mood}: ${LINES[mood]}`);
  element("live-legend").textContent =
    `A reading every half second of the last ${WINDOW_SECONDS} seconds. ${legend.join(", ")}; each is named at its end. Gaps are silence.`;
  element("live").addEventListener("click", () => (microphone ? stop() : start()));
}
