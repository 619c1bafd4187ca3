// What survives a reload: localStorage, or memory alone where the browser blocks it.

/** Other programs' pages at the same address and port have keys of their own. */
const PREFIX = "voice-mood-music.";

const memory = new Map();

/** What was kept under a name, if it has the kind of `fallback`; else `fallback`. What is in it may still be anything. */
export function load(name, fallback) {
  let text = memory.get(name);
  try {
    text = localStorage.getItem(PREFIX + name) ?? text;
  } catch { /* blocked */ }
  try {
    const value = JSON.parse(text ?? "null");
    const kind = (of) => (Array.isArray(of) ? "array" : of === null ? "null" : typeof of);
    return kind(value) === kind(fallback) ? value : fallback;
  } catch {
    return fallback;
  }
}

export function save(name, value) {
  const text = JSON.stringify(value);
  memory.set(name, text);
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch { /* blocked or full: kept in memory */ }
}

export function forget(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch { /* blocked */ }
}
