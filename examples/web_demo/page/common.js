// What all parts of the page share.

export const MOODS = ["Calm", "Happy", "Sad", "Energetic"];

/** Levels below this, in dB relative to full scale, are a microphone's silence. */
export const SILENCE_DB = -50;

export const element = (id) => document.getElementById(id);

/** Shows what went wrong, or nothing. */
export function complain(error) {
  element("problem").textContent = error ? error.message : "";
}

/** Asks the server; what it refuses is thrown with the problem's code. */
export async function ask(address, request) {
  let response;
  try {
    response = await fetch(address, request);
  } catch {
    throw Object.assign(new Error("The program that serves this page does not answer."), { code: "unreachable" });
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const text = [answer.title ?? `The server answers ${response.status}`, answer.detail].filter(Boolean).join(": ");
  throw Object.assign(new Error(`${text}.`), { code: answer.code });
}

/** Shows a level in dB beside the microphone. */
export function meter(db) {
  element("level").value = db;
  element("level-text").textContent = `${Math.round(db)} dB`.replace("-", "−");
}
