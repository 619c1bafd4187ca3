// The user's preferences: strategy, filters, liked and hidden songs. They survive a reload.
import { element, make } from "./element.js";
import { MOODS, icon } from "./moods.js";
import * as store from "./store.js";
import { list, number, onLanguage, say, text } from "./words.js";

export const STRATEGIES = ["balance", "keep", "cheer-up", "journey"];
/** Limits of liked and of hidden songs. The server accepts 1,000 of each and 64 kB in total. The oldest songs beyond them are removed. */
const MAX_NAMES = 300;
const MAX_BYTES = 24_000;
const FIELDS = [
  { id: "count", name: "count", low: 1, high: 50, first: 5 },
  { id: "year-from", name: "from", low: 1900, high: 2100 },
  { id: "year-to", name: "to", low: 1900, high: 2100 },
  { id: "popularity", name: "popularity", low: 0, high: 100 },
];

/** Removes the oldest songs beyond the limits, and returns their titles. */
function trim(map) {
  const titles = [];
  const bytes = () => new Blob([JSON.stringify([...map.keys()])]).size;
  while (map.size > MAX_NAMES || (map.size > 0 && bytes() > MAX_BYTES)) {
    const [[key, title]] = map;
    map.delete(key);
    titles.push(title);
  }
  return titles;
}

/** Returns the stored keys and titles, [[key, title], …], as a map. Ignores other entries, because stored data may have been changed. */
function names(place) {
  const isWhole = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string");
  const map = new Map(store.load(place, []).filter(isWhole));
  trim(map);
  return map;
}

function stored() {
  const { strategy, target, filters } = store.load("preferences", {});
  const numbers = FIELDS.map(({ id, low, high }) => [id, filters?.[id], low, high])
    .filter(([, value, low, high]) => Number.isInteger(value) && value >= low && value <= high);
  const read = Object.fromEntries(numbers.map(([id, value]) => [id, value]));
  if (read["year-from"] > read["year-to"]) delete read["year-from"];
  return {
    strategy: STRATEGIES.includes(strategy) ? strategy : "balance",
    target: MOODS.includes(target) ? target : "Happy",
    filters: read,
  };
}

const kept = stored();
/** Strategy and target of a link. They apply until the next recording and are not stored. */
let lent = {};
let liked = names("liked");
let hidden = names("hidden");

function reload() {
  liked = names("liked");
  hidden = names("hidden");
}

export const strategy = () => lent.strategy ?? kept.strategy;
export const target = () => lent.target ?? kept.target;
export const isLiked = (key) => liked.has(key);

/** Applies the strategy and target of a link. */
export function lend({ strategy: name, target: mood }) {
  lent = {};
  if (STRATEGIES.includes(name)) lent.strategy = name;
  if (MOODS.includes(mood)) lent.target = mood;
  show();
}

/** Removes the strategy and target of a link. */
export function restore() {
  lent = {};
  show();
}

/** Changes likes and hidden songs. Reads them again first, because another tab may have changed them. */
function change(how) {
  reload();
  how();
  const dropped = [...trim(liked), ...trim(hidden)];
  store.save("liked", [...liked]);
  store.save("hidden", [...hidden]);
  say("preferences-status", dropped.length > 0 ? () => text("preferences.dropped", { names: list(dropped) }) : null);
  showKept();
}

export const like = (key, title, isOn) => change(() => {
  liked.delete(key);
  if (isOn) liked.set(key, title);
});

export const hide = (key, title, isOn) => change(() => {
  hidden.delete(key);
  if (!isOn) return;
  hidden.set(key, title);
  liked.delete(key);
});

/** Returns the options of a request for songs. */
export function options() {
  const { filters } = kept;
  return {
    count: filters.count ?? 5,
    strategy: strategy(),
    target: target(),
    year_from: filters["year-from"],
    year_to: filters["year-to"],
    popularity_from: filters.popularity,
    liked: [...liked.keys()],
    disliked: [...hidden.keys()],
  };
}

function chips(place, name, values, labels, chosen, change) {
  const legend = place.querySelector("legend");
  place.replaceChildren(legend, ...values.map((value, i) => {
    const input = make("input", { type: "radio", name, value, id: `${name}-${value}`, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    return make("span", { className: "chip", data: MOODS.includes(value) ? { mood: value } : {} }, input,
      make("label", { htmlFor: input.id }, ...(MOODS.includes(value) ? [icon(value)] : []), labels[i]));
  }));
}

let changed = () => {};

/** Stores these preferences. The others stay as any tab stored them. */
function save(values) {
  Object.assign(kept, values);
  store.save("preferences", { ...stored(), ...values });
}

function set(values) {
  save(values);
  // A choice of the user replaces that of a link.
  for (const name of Object.keys(values)) delete lent[name];
  show();
  changed();
}

/** Shows strategy and target. Keeps the focus on the chip that was pressed. */
function show() {
  const focused = document.activeElement?.id;
  chips(element("strategy"), "strategy", STRATEGIES, STRATEGIES.map((name) => text(`preferences.${name}`)), strategy(),
    (value) => set({ strategy: value }));
  element("target").hidden = strategy() !== "journey";
  chips(element("target"), "target", MOODS, MOODS.map((mood) => text(mood)), target(), (value) => set({ target: value }));
  if (focused?.match(/^(strategy|target)-/)) element(focused)?.focus();
}

/** Shows the buttons that remove likes and hidden songs, if there are any. */
function showKept() {
  element("unhide").hidden = hidden.size === 0;
  element("unhide").textContent = text("preferences.unhide", { count: number(hidden.size) });
  element("forget").hidden = liked.size === 0;
}

function makeFilters() {
  element("filters").append(...FIELDS.map(({ id, name, low, high, first }) => {
    const input = make("input", { id, type: "number", min: low, max: high, inputMode: "numeric", aria: { describedby: `${id}-problem` } });
    input.value = kept.filters[id] ?? first ?? "";
    const words = `preferences.${name}`;
    return make("div", { className: "field" }, make("label", { htmlFor: id, data: { t: words }, textContent: text(words) }), input,
      make("span", { id: `${id}-problem`, className: "error", aria: { live: "polite" } }));
  }));
}

/** Reads the filters and shows the errors beside their fields. Returns the filters, or `null` if one is not valid. */
function readFilters() {
  const read = {};
  let isRight = true;
  const refuse = (id, words) => {
    say(`${id}-problem`, words);
    element(id).setAttribute("aria-invalid", String(words !== null));
    if (words) isRight = false;
  };
  for (const { id, low, high, first } of FIELDS) {
    const input = element(id);
    const value = input.valueAsNumber;
    const isEmpty = input.value === "" && !input.validity.badInput;
    const fits = Number.isInteger(value) && value >= low && value <= high;
    refuse(id, isEmpty || fits ? null : () => text("preferences.range", { low: String(low), high: String(high) }));
    if (fits && value !== first) read[id] = value;
  }
  if (isRight && read["year-from"] > read["year-to"]) refuse("year-from", () => text("preferences.order"));
  return isRight ? read : null;
}

/** Calls `wanted` when the user or another tab changes the preferences. */
export function begin(wanted) {
  changed = wanted;
  makeFilters();
  for (const id of ["preferences", "filters"]) element(id).addEventListener("submit", (event) => event.preventDefault());
  element("filters").addEventListener("change", () => {
    const filters = readFilters();
    if (!filters) return;
    save({ filters });
    changed();
  });
  element("forget").addEventListener("click", () => {
    change(() => liked.clear());
    say("preferences-status", () => text("preferences.forgotten"));
    element("preferences-status").focus();
    changed();
  });
  element("unhide").addEventListener("click", () => {
    change(() => hidden.clear());
    element("songs-status").focus();
    changed();
  });
  store.onChange(["liked", "hidden"], () => {
    reload();
    showKept();
    changed();
  });
  onLanguage(() => {
    show();
    showKept();
    for (const { id } of FIELDS) element(id).placeholder = text("preferences.any");
  });
}
