// The microphone, which one part of the page uses at a time.
import { element } from "./element.js";
import { number } from "./words.js";
import { Problem } from "./server.js";

/** Levels below this, in dB relative to full scale, are a microphone's silence. */
export const SILENCE_DB = -50;

let current = null;

/** Closes the microphone. */
export const release = () => current?.close();

/** Why there is no microphone. */
function problemOf(error) {
  if (!navigator.mediaDevices) return new Problem("microphone.insecure");
  const known = ["NotAllowedError", "NotFoundError"].includes(error.name);
  return new Problem(`microphone.${known ? error.name : "other"}`);
}

/** Shows a level in dB beside the microphone. */
export function showLevel(db) {
  element("level").value = db;
  element("level-text").textContent = `${number(Math.round(db)).replace("-", "−")} dB`;
}

/**
 * One use of the microphone: `pending` until the browser gives it, `on` until it is closed. A new use closes the one before, and what
 * the browser gives after that is stopped at once.
 */
export class Microphone {
  state = "pending";
  sampleRate = 0;
  #stream = null;
  #context = null;
  #changed;

  /** `listen` is given blocks of mono samples, `changed` is called at each new state, with the problem if there is one. */
  constructor(listen, changed) {
    current?.close();
    current = this;
    this.#changed = changed;
    changed(this.state);
    this.#open(listen).catch((error) => this.close(problemOf(error)));
  }

  async #open(listen) {
    // What calls need, cancelling and levelling, would change how a voice sounds.
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    this.#stream = stream;
    if (this.state === "closed") return this.#release();
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule("/recorder.js");
    if (this.state === "closed") return this.#release();
    await this.#context.resume();
    if (this.state === "closed") return this.#release();
    this.sampleRate = this.#context.sampleRate;
    const recorder = new AudioWorkletNode(this.#context, "recorder", { numberOfOutputs: 0 });
    recorder.port.onmessage = ({ data }) => this.state === "on" && listen(data);
    this.#context.createMediaStreamSource(stream).connect(recorder);
    stream.getAudioTracks()[0].addEventListener("ended", () => this.close(new Problem("microphone.lost")));
    this.state = "on";
    this.#changed(this.state);
    return undefined;
  }

  #release() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    if (this.#context && this.#context.state !== "closed") this.#context.close();
  }

  /** Stops it, whatever its state. */
  close(problem = null) {
    if (this.state === "closed") return;
    this.state = "closed";
    if (current === this) current = null;
    this.#release();
    this.#changed(this.state, problem);
  }
}
