// The page's language: texts by name, numbers and times by Intl.
import { element } from "./element.js";
import * as store from "./store.js";
import { german } from "./german.js";
import { english } from "./english.js";

const TABLES = { en: english, de: german };

function preferred() {
  const kept = store.load("language", "");
  const wanted = kept ? [kept] : navigator.languages ?? [];
  return wanted.map((tag) => tag.slice(0, 2)).find((code) => code in TABLES) ?? "en";
}

let language = preferred();
const listeners = [];

/** The text of a name, with `{places}` filled. */
export function text(name, values = {}) {
  const words = TABLES[language][name] ?? english[name] ?? name;
  return words.replace(/\{(\w+)\}/g, (_, place) => values[place] ?? "");
}

/** What texts are shown now, by their element: each is made again in another language. */
const said = new Map();

/** Shows a text that `words` makes, or none. */
export function say(id, words = null) {
  if (words) said.set(id, words);
  else said.delete(id);
  element(id).textContent = words ? words() : "";
}

/** What makes the text that is shown; undefined without one. */
export const saying = (id) => said.get(id);

/** `en` or `de`. */
export const code = () => language;
export const isEnglish = () => language === "en";

export const has = (name) => name in english;

/** Calls back at once, and again whenever the language changes. */
export function onLanguage(render) {
  listeners.push(render);
  render();
}

export const number = (value, options) => new Intl.NumberFormat(language, options).format(value);
export const percent = (share, digits = 0) =>
  number(share, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
/** A number with its unit: `second` or `millisecond`. */
export const measure = (value, unit, digits = 0, unitDisplay = unit === "second" ? "narrow" : "short") =>
  number(value, { style: "unit", unit, unitDisplay, maximumFractionDigits: digits });
export const list = (parts) => new Intl.ListFormat(language, { type: "conjunction" }).format(parts);

/** Seconds as on a clock: 1:05, or 1:05.3 with a digit. */
export function clock(seconds, digits = 0) {
  const rounded = Number(seconds.toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  const rest = { minimumIntegerDigits: 2, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${minutes}:${number(rounded - 60 * minutes, rest)}`;
}

/** How long a recording is: in seconds, from a minute on as on a clock. */
export const length = (seconds) => (seconds < 59.95 ? measure(seconds, "second", 1) : clock(seconds));

/** Describes a stretch of a recording. Stretches below ten seconds are given to a tenth, so that their ends differ. */
export function stretch(start, end, what) {
  const digits = end - start < 10 ? 1 : 0;
  return text("sound.segment", { start: clock(start, digits), end: clock(end, digits), what });
}

function translate() {
  document.documentElement.lang = language;
  document.title = text("title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = text(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", text(node.dataset.tLabel));
}

export function begin() {
  element("language").value = language;
  element("language").addEventListener("change", (event) => {
    language = event.target.value;
    store.save("language", language);
    listeners.forEach((render) => render());
    said.forEach((words, id) => { element(id).textContent = words(); });
  });
  // First of all, so that others may write over what it writes.
  listeners.unshift(translate);
  translate();
}
