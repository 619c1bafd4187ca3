// Sends a recording to the server: the whole file, the start of a large one, or a WAV file that the browser decoded.
import { decodeHere, lengthOf } from "./audio.js";
import { query as model } from "./model.js";
import { Problem, post } from "./server.js";

/** What the server takes at once, and how much of a recording it hears. */
const MAX_BYTES = 20_000_000;
const MAX_SECONDS = 600;
/** The longest recording that the browser decodes: it decodes all of it, and keeps all samples in memory. */
const MAX_DECODED_SECONDS = 3600;
/** Refusals after which the browser tries to decode the file itself. */
const PERHAPS = ["not-audio", "unsupported-codec"];

/** A file's first bytes. The file itself may change or vanish while the page shows what was heard of it. */
async function startOf(file) {
  // It is read here, because a slice of a deleted file would be sent as an empty body, without an error.
  const part = file.size > MAX_BYTES ? file.slice(0, MAX_BYTES) : file;
  try {
    return new Blob([await part.arrayBuffer()], { type: file.type });
  } catch {
    throw new Problem("file.unreadable");
  }
}

/** Asks for the mood of a file. Gives { answer, file, cut }: `file` is what was sent, `cut` whether that is only the file's start. */
export async function hear(file, query, signal) {
  const send = async (part, cut) => {
    const answer = await (await post(`/api/recognize?count=0&cut=${cut}${query}${model()}`, part, signal)).json();
    return { answer, file: part, cut };
  };
  let decoding = null;
  const sendDecoded = async () => {
    decoding ??= decodeHere(file, MAX_BYTES, signal);
    const decoded = await decoding;
    return decoded && send(decoded, false);
  };
  const isLarge = file.size > MAX_BYTES;
  const start = await startOf(file);
  const seconds = isLarge ? await lengthOf(file) : NaN;
  signal.throwIfAborted();
  const isTooLong = seconds > MAX_DECODED_SECONDS;
  const endsEarly = seconds * MAX_BYTES / file.size < MAX_SECONDS;
  const whole = endsEarly && !isTooLong && (await sendDecoded());
  if (whole) return whole;
  try {
    return await send(start, isLarge);
  } catch (error) {
    const mayKnow = PERHAPS.includes(error.code) || (isLarge && error.code === "damaged");
    const found = mayKnow && !isTooLong && (await sendDecoded());
    if (!found) throw error;
    return found;
  }
}
