// The Record button: shows level and time while recording, and stops at silence.
import { join, wav } from "./audio.js";
import { element } from "./element.js";
import { Microphone, SILENCE_DB } from "./microphone.js";
import { Problem, complain } from "./server.js";
import { clock, onLanguage, say, saying, text } from "./words.js";

const MAX_SECONDS = 180;
/** The recording ends after QUIET_SECONDS of silence, if there were SPOKEN_SECONDS of sound before. */
const QUIET_SECONDS = 2;
const SPOKEN_SECONDS = 0.5;
/** Sound that is quieter than the loudest block by this many dB is silence too, because rooms have background noise. */
const QUIET_DB = 25;
const BARS = 120;
/** Shortest recording in seconds that is sent, no matter whether the user or a lost microphone ended it. */
const WORTH_SECONDS = 0.5;

let microphone = null;

/** Keeps the levels of a recording over time, and decides when it ends. */
class Meter {
  bars = [];
  seconds = 0;
  #loudest = -60;
  #spoken = 0;
  #quiet = 0;

  take(seconds, heard) {
    this.seconds += seconds;
    this.bars.push(heard);
    if (this.bars.length > BARS) this.bars.shift();
    this.#loudest = Math.max(this.#loudest, heard);
    const isQuiet = heard < Math.max(SILENCE_DB, this.#loudest - QUIET_DB);
    this.#quiet = isQuiet ? this.#quiet + seconds : 0;
    if (!isQuiet) this.#spoken += seconds;
  }

  get isDone() {
    return this.seconds >= MAX_SECONDS || (this.#spoken >= SPOKEN_SECONDS && this.#quiet >= QUIET_SECONDS);
  }
}

function drawBars(bars) {
  const canvas = element("level-wave");
  const pen = canvas.getContext("2d");
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.fillStyle = getComputedStyle(canvas).color;
  const step = width / BARS;
  bars.forEach((db, i) => {
    const tall = Math.max(2, height * (db + 60) / 60);
    pen.fillRect(width - (bars.length - i) * step, (height - tall) / 2, Math.max(1, step - 1), tall);
  });
}

const recording = () => text("input.recording");

function show(state) {
  const button = element("record");
  button.dataset.state = state;
  element("record-text").textContent = text({ on: "input.stop", pending: "input.pending" }[state] ?? "input.record");
  element("recording").hidden = state !== "on";
  if (state === "on") say("status", recording);
  else if (saying("status") === recording) say("status");
}

function start(heard) {
  const blocks = [];
  const meter = new Meter();
  element("clock").textContent = clock(0);
  const listen = (block, db) => {
    blocks.push(block);
    meter.take(block.length / mine.sampleRate, db);
    drawBars(meter.bars);
    element("clock").textContent = clock(meter.seconds);
    if (meter.isDone) finish();
  };
  const changed = (state, problem) => {
    show(state);
    if (state === "closed" && microphone === mine) microphone = null;
    if (problem?.code === "microphone.lost" && isWorth()) give(() => text("notice.lost"));
    else if (problem) complain(problem);
  };
  const isWorth = () => meter.seconds >= WORTH_SECONDS;
  const give = (note = null) => heard(wav(join(blocks), mine.sampleRate), note);
  const finish = () => {
    mine.close();
    if (isWorth()) give();
    else complain(new Problem("too-short"));
  };
  const mine = new Microphone(listen, (...change) => queueMicrotask(() => changed(...change)));
  mine.finish = finish;
  microphone = mine;
}

/** Calls `begun` when a recording starts, and `heard` with the recording and null or a function that returns a notice on its end. */
export function begin(begun, heard) {
  element("record").addEventListener("click", () => {
    if (microphone?.state === "on") microphone.finish();
    else if (microphone) microphone.close();
    else {
      begun();
      start(heard);
    }
  });
  onLanguage(() => show(microphone?.state ?? "closed"));
}
