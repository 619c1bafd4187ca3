// Exports the list of songs: to the clipboard, as a file for players, or as a link.
import { download, element, make } from "./element.js";
import { MOODS } from "./moods.js";
import { complain, postJson } from "./server.js";
import * as songs from "./songs.js";
import * as preferences from "./preferences.js";
import { code as language, onLanguage, say, text } from "./words.js";

const FORMATS = ["m3u8", "xspf", "csv"];

async function copy(words, said) {
  try {
    await navigator.clipboard.writeText(words);
    say("exports-status", () => text(said));
  } catch {
    say("exports-status", () => text("playlist.failed"));
  }
}

/** Returns a link to this mood and strategy. It contains nothing of the recording. */
function link() {
  const shared = new URLSearchParams({ mood: songs.mood(), strategy: preferences.strategy() });
  if (preferences.strategy() === "journey") shared.set("target", preferences.target());
  return `${location.origin}${location.pathname}#${shared}`;
}

/** Returns mood, strategy and target in the page's address, or null if it names no mood. */
export function shared() {
  const named = new URLSearchParams(location.hash.slice(1));
  if (!MOODS.includes(named.get("mood"))) return null;
  return { mood: named.get("mood"), strategy: named.get("strategy"), target: named.get("target") };
}

async function save(format) {
  try {
    const response = await postJson(`/api/playlist?format=${format}&language=${language()}`, songs.question());
    download(await response.blob(), `songs.${format}`);
  } catch (error) {
    complain(error, "songs-problem");
  }
}

export function begin() {
  element("copy").addEventListener("click", () => copy(songs.lines(), "playlist.copied"));
  element("link").addEventListener("click", () => copy(link(), "playlist.linked"));
  onLanguage(() => {
    element("downloads").replaceChildren(...FORMATS.map((format) => {
      const name = format.toUpperCase();
      const button = make("button", { type: "button", textContent: name, aria: { label: text("playlist.save", { format: name }) } });
      button.addEventListener("click", () => save(format));
      return button;
    }));
  });
}
