// The page's language: texts by name, and numbers and times formatted by Intl.
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

/** Returns the text with this name, with values for its `{places}`. */
export function text(name, values = {}) {
  const words = TABLES[language][name] ?? english[name] ?? name;
  return words.replace(/\{(\w+)\}/g, (_, place) => values[place] ?? "");
}

/** Functions that make the texts on show, by the id of their element. They are called again when the language changes. */
const said = new Map();

/** Shows the text that `words` returns, or none if `words` is null. */
export function say(id, words = null) {
  if (words) said.set(id, words);
  else said.delete(id);
  element(id).textContent = words ? words() : "";
}

/** Returns the function that makes the text on show, or undefined without a text. */
export const saying = (id) => said.get(id);

/** Returns `en` or `de`. */
export const code = () => language;
export const isEnglish = () => language === "en";

export const has = (name) => name in english;

/** Calls `render` at once, and each time the language changes. */
export function onLanguage(render) {
  listeners.push(render);
  render();
}

export const number = (value, options) => new Intl.NumberFormat(language, options).format(value);
export const percent = (share, digits = 0) =>
  number(share, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
/** Formats a number with its unit, `second` or `millisecond`. */
export const measure = (value, unit, digits = 0, unitDisplay = unit === "second" ? "narrow" : "short") =>
  number(value, { style: "unit", unit, unitDisplay, maximumFractionDigits: digits });
export const list = (parts) => new Intl.ListFormat(language, { type: "conjunction" }).format(parts);

/** Formats seconds as on a clock: 1:05, or 1:05.3 with one digit. */
export function clock(seconds, digits = 0) {
  const rounded = Number(seconds.toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  const rest = { minimumIntegerDigits: 2, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${minutes}:${number(rounded - 60 * minutes, rest)}`;
}

/** Formats the length of a recording: in seconds, or as on a clock from one minute on. */
export const length = (seconds) => (seconds < 59.95 ? measure(seconds, "second", 1) : clock(seconds));

/** Describes a stretch of a recording. The times of a stretch below ten seconds have one digit, so that start and end differ. */
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
  // Called first, so that other listeners can overwrite its texts.
  listeners.unshift(translate);
  translate();
}
