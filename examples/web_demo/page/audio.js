// Sound: the microphone's samples, WAV files made of samples, and the browser's own decoders.

/** Mono samples within ±1 as a WAV file of 16 bits. */
export function wav(samples, sampleRate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => {
    const clipped = Math.max(-1, Math.min(1, x));
    view.setInt16(44 + 2 * i, Math.round(clipped * 32767), true);
  });
  return new Blob([view], { type: "audio/wav" });
}

/** What the browser can decode and the server can't, as a WAV file; null if the browser can't either. */
export async function decodeHere(file) {
  const context = new OfflineAudioContext(1, 1, 22050);
  try {
    const buffer = await context.decodeAudioData(await file.arrayBuffer());
    const mono = new Float32Array(buffer.length);
    for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
      buffer.getChannelData(channel).forEach((x, i) => { mono[i] += x / buffer.numberOfChannels; });
    }
    return wav(mono, buffer.sampleRate);
  } catch {
    return null;
  }
}

/** Root mean square in dB of full scale, −60 at least. */
export function level(samples) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / Math.max(1, samples.length);
  return Math.max(-60, 10 * Math.log10(power + 1e-12));
}

/** The microphone: gives blocks of mono samples to `listen` until it is stopped. */
export class Microphone {
  static async open(listen) {
    // What calls need, cancelling and levelling, would change how a voice sounds.
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const microphone = new Microphone();
    microphone.stream = stream;
    microphone.context = new AudioContext();
    await microphone.context.audioWorklet.addModule("/recorder.js");
    await microphone.context.resume();
    const source = microphone.context.createMediaStreamSource(stream);
    const recorder = new AudioWorkletNode(microphone.context, "recorder", { numberOfOutputs: 0 });
    recorder.port.onmessage = ({ data }) => listen(data);
    source.connect(recorder);
    return microphone;
  }

  get sampleRate() {
    return this.context.sampleRate;
  }

  stop() {
    this.stream.getTracks().forEach((track) => track.stop());
    return this.context.close();
  }
}

/** Why there is no microphone, in words. */
export function microphoneProblem(error) {
  if (!navigator.mediaDevices) return "The browser gives a microphone only to pages of this machine or over HTTPS.";
  if (error.name === "NotAllowedError") return "The browser does not let this page use the microphone.";
  if (error.name === "NotFoundError") return "No microphone was found.";
  return `The microphone cannot be used: ${error.message}`;
}
