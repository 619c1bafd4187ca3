// Keeps values in localStorage, which survives a reload, or in memory where the browser blocks it or it is full.

/** Other programs' pages at the same address and port have keys of their own. */
const PREFIX = "voice-mood-music.";

/** Values that localStorage refused. They are newer than the stored ones. */
const memory = new Map();

function read(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** What was kept under a name, if it has the kind of `fallback`; else `fallback`. What is in it may still be anything. */
export function load(name, fallback) {
  const kind = (of) => (Array.isArray(of) ? "array" : of === null ? "null" : typeof of);
  try {
    const value = JSON.parse(read(name));
    return kind(value) === kind(fallback) ? value : fallback;
  } catch {
    return fallback;
  }
}

export function save(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(PREFIX + name, text);
    memory.delete(name);
  } catch {
    memory.set(name, text);
  }
}

export function forget(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch { /* blocked */ }
}

/** Calls back when another tab changes one of these. */
export function onChange(names, changed) {
  const keys = names.map((name) => PREFIX + name);
  // `key` is null when all of the storage was cleared.
  addEventListener("storage", ({ key }) => (key === null || keys.includes(key)) && changed());
}
