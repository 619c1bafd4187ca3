// What survives a reload: localStorage, or memory alone where the browser blocks it.

const memory = new Map();

/** What was kept under a name, if it has the kind of `fallback`; else `fallback`. */
export function load(name, fallback) {
  let text = memory.get(name);
  try {
    text = localStorage.getItem(name) ?? text;
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
    localStorage.setItem(name, text);
  } catch { /* blocked or full: kept in memory */ }
}

export function forget(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(name);
  } catch { /* blocked */ }
}
