// A recording on its way to the server: whole, its start where it is too large, or what the browser makes of it.
import { decodeHere, lengthOf } from "./audio.js";
import { Problem, post } from "./server.js";

/** What the server takes at once, and how much of a recording it hears. */
const MAX_BYTES = 20_000_000;
const MAX_SECONDS = 600;
/** What the browser may know and the server doesn't, or a start alone doesn't tell. */
const PERHAPS = ["not-audio", "unsupported-codec"];

/** A file's first bytes. The file itself may change or vanish while the page shows what was heard of it. */
async function startOf(file) {
  // The start of what is gone would be nothing, without an error.
  const part = file.size > MAX_BYTES ? file.slice(0, MAX_BYTES) : file;
  try {
    return new Blob([await part.arrayBuffer()], { type: file.type });
  } catch {
    throw new Problem("file.unreadable");
  }
}

/** Asks for the mood of a file. Gives { answer, file, cut }: `file` is what was sent, `cut` whether that is but the file's start. */
export async function hear(file, wish, signal) {
  const send = async (part, cut) => {
    const answer = await (await post(`/api/recognize?count=0&cut=${cut}${wish}`, part, signal)).json();
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
  const endsEarly = isLarge && (await lengthOf(file)) * MAX_BYTES / file.size < MAX_SECONDS;
  const whole = endsEarly && (await sendDecoded());
  if (whole) return whole;
  try {
    return await send(start, isLarge);
  } catch (error) {
    const mayKnow = PERHAPS.includes(error.code) || (isLarge && error.code === "damaged");
    const found = mayKnow && (await sendDecoded());
    if (!found) throw error;
    return found;
  }
}
