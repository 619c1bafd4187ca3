// Sound: creates WAV files from samples, and uses the browser's decoders.

/** Sample rate in Hz of the server's model, and a lower rate at which ten minutes fit into an upload. */
const RATE = 22050;
const LONG_RATE = 16000;
/** Size in bytes of the largest file that is decoded in the browser. It is limited because decoding keeps all samples in memory. */
const MAX_DECODED = 300_000_000;

/** Returns mono samples within ±1 as a WAV file of 16 bits. */
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

/** Joins blocks of samples. */
export function join(blocks) {
  const samples = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    samples.set(block, at);
    at += block.length;
  }
  return samples;
}

/**
 * Decodes a file in the browser. Returns a WAV file of at most `bytes` bytes, or null if the browser can't decode the file or if it has
 * more than MAX_DECODED bytes.
 */
export async function decodeHere(file, bytes, signal) {
  if (file.size > MAX_DECODED) return null;
  const decode = async (rate) => {
    const content = await file.arrayBuffer();
    signal.throwIfAborted();
    const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(content);
    signal.throwIfAborted();
    return buffer;
  };
  const most = Math.floor((bytes - 44) / 2);
  try {
    let buffer = await decode(file.size > bytes ? LONG_RATE : RATE);
    if (buffer.length > most && buffer.sampleRate > LONG_RATE) buffer = await decode(LONG_RATE);
    const mono = new Float32Array(Math.min(buffer.length, most));
    for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
      const samples = buffer.getChannelData(channel);
      for (let i = 0; i < mono.length; i += 1) mono[i] += samples[i] / buffer.numberOfChannels;
    }
    return wav(mono, buffer.sampleRate);
  } catch {
    return null;
  }
}

/** Returns the length of a file in seconds, or NaN if the browser can't find it out. */
export function lengthOf(file) {
  const probe = new Audio();
  probe.preload = "metadata";
  return new Promise((tell) => {
    const end = () => {
      URL.revokeObjectURL(probe.src);
      tell(probe.duration);
    };
    probe.addEventListener("loadedmetadata", end);
    probe.addEventListener("error", end);
    // Some browsers load nothing until the user plays something.
    setTimeout(end, 3000);
    probe.src = URL.createObjectURL(file);
  });
}

/** Returns the root mean square in dB relative to full scale, at least −60. */
export function level(samples) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / Math.max(1, samples.length);
  return Math.max(-60, 10 * Math.log10(power + 1e-12));
}
