// The list of songs: requests and shows songs, and lets the user like and hide them.
import { element, make } from "./element.js";
import * as journey from "./journey.js";
import { icon, ranked, sign } from "./moods.js";
import { Latest, Problem, complain, postJson } from "./server.js";
import * as preferences from "./preferences.js";
import { isEnglish, list, measure, number, onLanguage, say, text } from "./words.js";

const questions = new Latest();
let probabilities = null;
/** The last answer: { songs, way, timing_ms }. */
let answer = null;
/** The song that was hidden last, while this can be undone: { song, wasLiked, isBack }. */
let last = null;

/** Returns the body of the request for the songs on show, or null without songs. */
export const question = () => (probabilities ? { probabilities, options: preferences.options() } : null);
export const songs = () => answer?.songs ?? [];
export const mood = () => (probabilities ? ranked(probabilities)[0][0] : null);

/** Requests and shows songs for these probabilities, or for the last ones. */
export async function recommend(given = probabilities) {
  if (!given) return;
  probabilities = given;
  try {
    await questions.run(async (signal, isLatest) => {
      const response = await postJson("/api/recommend", question(), signal);
      const received = await response.json();
      if (!isLatest()) return;
      answer = received;
      complain(null, "songs-problem");
      show();
    });
  } catch (error) {
    answer = null;
    show();
    // Only preferences are sent here, so a request that is too large has too many likes and hidden songs.
    complain(error.code === "too-large" ? new Problem("preferences.tooLarge") : error, "songs-problem");
  }
}

/** Removes the list. */
export function clear() {
  questions.withdraw();
  probabilities = null;
  answer = null;
  element("songs-section").hidden = true;
  journey.show(null, [], null);
  closeUndo();
  say("preferences-status");
  complain(null, "songs-problem");
}

function closeUndo() {
  last = null;
  element("undo").hidden = true;
  say("undo-text");
}

/** Returns the library's reason without numbers, unknown features and the mark of estimated moods. The row's title has the full reason. */
const plain = (reason) => reason.replaceAll(/ \([^)]*\d[^)]*\)|; mood estimated|; [a-z ]+ unknown(?=;|$)/g, "");

/**
 * Returns the reason for a song in plain words. In English it is the library's reason. In other languages, and for journeys, whose
 * reasons in the library are distances, it is made from the song's effect on the mood and its features.
 */
function reason(song, at, count) {
  if (isEnglish() && song.reason && preferences.strategy() !== "journey") return plain(song.reason);
  const from = mood();
  let step = "";
  if (preferences.strategy() === "journey") {
    const values = { step: number(at + 1), count: number(count), mood: text(preferences.target().toLowerCase()) };
    step = text(at === 0 ? "reason.start" : at === count - 1 ? "reason.end" : "reason.step", values);
  } else if (song.mood) {
    const values = { from: text(from.toLowerCase()), to: text(song.mood.toLowerCase()), mood: text(song.mood.toLowerCase()) };
    step = text(song.mood === from ? "reason.keep" : "reason.from", values);
  }
  const traits = [
    ["gloomy", song.valence, (x) => x <= 0.3], ["cheerful", song.valence, (x) => x >= 0.6],
    ["calm", song.energy, (x) => x <= 0.35], ["energetic", song.energy, (x) => x >= 0.8],
    ["acoustic", song.acousticness, (x) => x >= 0.6], ["danceable", song.danceability, (x) => x >= 0.7],
    ["known", song.popularity, (x) => x >= 70],
  ].filter(([, value, fits]) => typeof value === "number" && fits(value));
  const sound = list(traits.slice(0, 2).map(([name]) => text(`trait.${name}`)));
  return [step, sound].filter(Boolean).join(": ");
}

function judge(song, kind, isPressed) {
  const button = make("button", { type: "button", className: `judge ${kind}` }, sign(kind));
  const label = text(`songs.${kind}`, { name: song.name, artist: song.artist });
  button.setAttribute("aria-label", label);
  button.title = label;
  if (isPressed !== undefined) button.setAttribute("aria-pressed", String(isPressed));
  return button;
}

async function like(song, button) {
  const isOn = !preferences.isLiked(song.key);
  button.setAttribute("aria-pressed", String(isOn));
  preferences.like(song.key, song.name, isOn);
  await recommend();
}

async function hide(song) {
  const mine = { song, wasLiked: preferences.isLiked(song.key), isBack: false };
  closeUndo();
  last = mine;
  preferences.hide(song.key, song.name, true);
  await recommend();
  // Another song was hidden in the meantime, or the list was removed.
  if (last !== mine) return;
  element("undo").hidden = false;
  say("undo-text", () => text("songs.hidden", { name: song.name }));
  // The focus moves only if it was in the removed row.
  if ([document.body, element("songs-status")].includes(document.activeElement)) element("undo-button").focus();
}

/** Shows the last hidden song again, and restores its like. */
async function undo() {
  const mine = last;
  if (!mine || mine.isBack) return;
  mine.isBack = true;
  const { song, wasLiked } = mine;
  preferences.hide(song.key, song.name, false);
  if (wasLiked) preferences.like(song.key, song.name, true);
  await recommend();
  if (last !== mine) return;
  const isFocused = document.activeElement === element("undo-button");
  closeUndo();
  say("songs-status", () => text("songs.shown", { name: song.name }));
  if (isFocused) element("songs-status").focus();
}

function row(song, at, { length }) {
  const link = make("a", { href: song.link, target: "_blank", rel: "noopener noreferrer", textContent: song.name });
  link.append(make("span", { className: "visually-hidden", textContent: ` (${text("songs.opens")})` }));
  const by = text(song.year ? "songs.year" : "songs.by", { artist: song.artist, year: String(song.year) });
  const heart = judge(song, "like", preferences.isLiked(song.key));
  heart.addEventListener("click", () => like(song, heart));
  const cross = judge(song, "hide");
  cross.addEventListener("click", () => hide(song));
  return make("li", { data: { mood: song.mood ?? "none", key: song.key } },
    make("span", { className: "badge", title: song.mood ? text(song.mood) : "" },
      ...(song.mood ? [icon(song.mood), make("span", { className: "visually-hidden", textContent: text(song.mood) })] : [])),
    make("div", { className: "about" }, link, make("span", { className: "by", textContent: by }),
      make("span", { className: "reason quiet", title: isEnglish() ? song.reason : "", textContent: reason(song, at, length) })),
    heart, cross);
}

/** Replaces the rows. If the focus is in a row, it stays with the row's song, or moves to the list's status if the song is gone. */
function showRows() {
  const controls = (row) => [...row.querySelectorAll("a, button")];
  const before = document.activeElement?.closest("#songs li");
  const at = before && controls(before).indexOf(document.activeElement);
  element("songs").replaceChildren(...songs().map(row));
  if (!before) return;
  const after = [...element("songs").children].find(({ dataset }) => dataset.key === before.dataset.key);
  (after ? controls(after)[at] : element("songs-status")).focus();
}

function show() {
  if (!probabilities) return;
  element("songs-section").hidden = false;
  showRows();
  journey.show(answer?.way ?? null, songs(), mood());
  const count = songs().length;
  const wanted = preferences.options().count;
  const words = count === 0 ? "none" : count < wanted ? "fewer" : count === 1 ? "one" : "many";
  say("songs-status", answer && (() => text(`songs.${words}`, {
    count: number(count), mood: text(mood().toLowerCase()), strategy: text(`preferences.${preferences.strategy()}`),
  })));
  element("exports").hidden = count === 0;
  const time = element("songs-time");
  if (time && answer) time.textContent = measure(answer.timing_ms.recommend, "millisecond", 1);
}

export const time = () => answer?.timing_ms.recommend;

/** Returns the list as lines of text. */
export const lines = () => songs().map(({ artist, name }) => `${artist} – ${name}`).join("\n");

export function begin() {
  preferences.begin(() => recommend());
  journey.begin();
  element("undo-button").addEventListener("click", undo);
  // This button shows all hidden songs again, so nothing is left to undo.
  element("unhide").addEventListener("click", closeUndo);
  onLanguage(show);
}
