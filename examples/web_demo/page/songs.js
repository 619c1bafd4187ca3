// The list of songs: what is wanted of it, likes and dislikes.
import { element, ask, complain } from "./common.js";

const liked = new Set();
const disliked = new Set();
// What the songs are called that are no longer shown.
const titles = new Map();
let probabilities = null;
let asked = 0;

const number = (id) => {
  const value = element(id).valueAsNumber;
  return Number.isFinite(value) ? value : undefined;
};

function wishes() {
  return {
    count: Math.max(1, Math.min(50, Math.round(number("count") ?? 5))),
    strategy: element("strategy").value,
    target: element("target").value,
    year_from: number("year-from"),
    year_to: number("year-to"),
    popularity_from: number("popularity"),
    liked: [...liked],
    disliked: [...disliked],
  };
}

/** Asks for songs that suit these probabilities, or the last ones. */
export async function recommend(given = probabilities) {
  if (!given) return;
  probabilities = given;
  asked += 1;
  const turn = asked;
  try {
    const body = JSON.stringify({ probabilities, options: wishes() });
    const { songs, timing_ms } = await ask("/api/recommend", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    // An answer that a later question has overtaken.
    if (turn !== asked) return;
    show(songs);
    element("songs-time").textContent = `${timing_ms.recommend.toFixed(1)} ms`;
  } catch (error) {
    complain(error);
  }
}

function judgement(song, set, other, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.setAttribute("aria-label", `${label} ${song.name} by ${song.artist}`);
  button.setAttribute("aria-pressed", String(set.has(song.key)));
  button.addEventListener("click", async () => {
    if (!set.delete(song.key)) {
      set.add(song.key);
      other.delete(song.key);
      titles.set(song.key, `${song.artist} – ${song.name}`);
    }
    await recommend();
    // The list was made anew: whoever uses the keyboard goes on where they were.
    const again = document.querySelector(`[aria-label="${CSS.escape(button.getAttribute("aria-label"))}"]`);
    (again ?? element("songs-status")).focus();
  });
  return button;
}

function showDisliked() {
  element("disliked").replaceChildren(...[...disliked].map((key) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = "Undo dislike";
    button.setAttribute("aria-label", `Undo the dislike of ${titles.get(key)}`);
    button.addEventListener("click", () => {
      disliked.delete(key);
      recommend();
      element("songs-status").focus();
    });
    item.append(`${titles.get(key)} `, button);
    return item;
  }));
}

function show(songs) {
  showDisliked();
  element("songs-section").hidden = false;
  element("target-label").hidden = element("strategy").value !== "journey";
  element("songs").replaceChildren(...songs.map((song) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = song.link;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.textContent = `${song.artist} – ${song.name}`;
    const judge = document.createElement("span");
    judge.className = "judge";
    judge.append(judgement(song, liked, disliked, "Like"), judgement(song, disliked, liked, "Dislike"));
    const reason = document.createElement("div");
    reason.className = "quiet";
    reason.textContent = song.reason;
    item.append(link, judge, reason);
    return item;
  }));
  const count = songs.length === 1 ? "1 song" : `${songs.length} songs`;
  element("songs-status").textContent = songs.length === 0 ? "No song passes these wishes." : count;
}

export function begin() {
  element("songs-status").tabIndex = -1;
  element("wishes").addEventListener("submit", (event) => event.preventDefault());
  element("wishes").addEventListener("change", () => recommend());
  element("forget").addEventListener("click", () => {
    liked.clear();
    disliked.clear();
    recommend();
  });
}
