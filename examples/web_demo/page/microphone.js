// The microphone. Only one part of the page can use it at a time.
import { join, level } from "./audio.js";
import { element } from "./element.js";
import { number } from "./words.js";
import { Problem } from "./server.js";

/** Level in dB relative to full scale below which sound of a microphone is silence. */
export const SILENCE_DB = -50;

let current = null;

/** Closes the microphone. */
export const release = () => current?.close();

/** Seconds over which the level is measured. */
const LEVEL_SECONDS = 0.05;

/** Returns the problem that explains why the microphone cannot be used. */
function problemOf(error) {
  if (!navigator.mediaDevices) return new Problem("microphone.insecure");
  if (error instanceof Problem) return error;
  const known = ["NotAllowedError", "NotFoundError", "NotReadableError"].includes(error.name);
  if (!known) console.error(error);
  return new Problem(`microphone.${known ? error.name : "other"}`);
}

/** Shows a level in dB beside the microphone. */
function showLevel(db) {
  element("level").value = db;
  element("level-text").textContent = `${number(Math.round(db)).replace("-", "−")} dB`;
}

/**
 * One use of the microphone. Its state is `pending` until the browser gives access, `on` until it is closed, and then `closed`. A new use
 * closes the one before. If the browser gives access to a use that is already closed, its stream is stopped at once.
 */
export class Microphone {
  state = "pending";
  sampleRate = 0;
  #stream = null;
  #context = null;
  #changed;
  #blocks = [];
  #held = 0;

  /**
   * Calls `listen` with blocks of mono samples and their level in dB, and `changed` with each new state, and with the problem if there is
   * one.
   */
  constructor(listen, changed) {
    current?.close();
    current = this;
    this.#changed = changed;
    changed(this.state);
    this.#open(listen).catch((error) => this.close(problemOf(error)));
  }

  async #open(listen) {
    // Echo cancellation, noise suppression and automatic gain are made for calls and would change the sound of the voice.
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    this.#stream = stream;
    if (this.state === "closed") return this.#release();
    this.#context = new AudioContext();
    // The module is loaded from the server, which may have stopped.
    await this.#context.audioWorklet.addModule("/recorder.js").catch(() => {
      throw new Problem("unreachable");
    });
    if (this.state === "closed") return this.#release();
    await this.#context.resume();
    if (this.state === "closed") return this.#release();
    this.sampleRate = this.#context.sampleRate;
    const recorder = new AudioWorkletNode(this.#context, "recorder", { numberOfOutputs: 0 });
    recorder.port.onmessage = ({ data }) => this.#hear(data, listen);
    this.#context.createMediaStreamSource(stream).connect(recorder);
    stream.getAudioTracks()[0].addEventListener("ended", () => this.close(new Problem("microphone.lost")));
    this.state = "on";
    element("loudness").hidden = false;
    this.#changed(this.state);
    return undefined;
  }

  #hear(samples, listen) {
    if (this.state !== "on") return;
    this.#blocks.push(samples);
    this.#held += samples.length;
    if (this.#held < LEVEL_SECONDS * this.sampleRate) return;
    const block = join(this.#blocks);
    this.#blocks = [];
    this.#held = 0;
    const db = level(block);
    showLevel(db);
    listen(block, db);
  }

  #release() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    if (this.#context && this.#context.state !== "closed") this.#context.close();
  }

  /** Stops the use of the microphone in any state. */
  close(problem = null) {
    if (this.state === "closed") return;
    this.state = "closed";
    if (current === this) {
      current = null;
      element("loudness").hidden = true;
    }
    this.#release();
    this.#changed(this.state, problem);
  }
}
