// Keeps values in localStorage, which survives a reload. If localStorage is blocked or full, keeps them in memory.

/** Prefix of all keys, which distinguishes them from those of other programs' pages at the same address and port. */
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

/** Returns the value with this name, or `fallback` if the value has another type. The types of values inside it are not checked. */
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

/** Calls `changed` when another tab changes one of these values. */
export function onChange(names, changed) {
  const keys = names.map((name) => PREFIX + name);
  // `key` is null if the whole storage was cleared.
  addEventListener("storage", ({ key }) => (key === null || keys.includes(key)) && changed());
}
