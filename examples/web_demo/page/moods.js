// The four moods: name, colour and icon, so that colour never stands alone.
import { draw, element, make } from "./element.js";
import { percent, text } from "./words.js";

export const MOODS = ["Calm", "Happy", "Sad", "Energetic"];

const SHAPES = {
  // Waves, a sun, a drop, a bolt.
  Calm: ["M2 9c3-3 5-3 7 0s5 3 7 0 3-2 6-1M2 16c3-3 5-3 7 0s5 3 7 0 3-2 6-1"],
  Happy: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2"],
  Sad: ["M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z"],
  Energetic: ["M13 2 5 13h6l-1 9 9-12h-6z"],
};

/** A mood's icon; the mood's name stands beside it. */
export function icon(mood) {
  const paths = (SHAPES[mood] ?? []).map((d) => draw("path", { d }));
  return draw("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, ...paths);
}

/** A mood's colour in the theme that holds now. */
export function colour(mood) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${mood.toLowerCase()}`).trim();
}

/** The moods with their probabilities, the likeliest first. */
export const ranked = (probabilities) =>
  MOODS.map((mood) => [mood, probabilities[mood] ?? 0]).sort((a, b) => b[1] - a[1]);

/** From here on a confident answer is called sure. */
const SURE = 0.6;

/** Shows a mood as a card: icon, name, certainty in words, and all four as bars. */
export function showVerdict({ probabilities, confident, chosen }) {
  const [[first, share], [second, other]] = ranked(probabilities);
  element("result").dataset.mood = first;
  element("icon").replaceChildren(icon(first));
  element("mood").textContent = text(first);
  const kind = chosen ? "chosen" : !confident ? "unsure" : share >= SURE ? "sure" : "likely";
  const values = { first: percent(share), other: text(second.toLowerCase()), second: percent(other) };
  element("certainty").textContent = text(`verdict.${kind}`, values);
  element("probabilities").hidden = Boolean(chosen);
  element("probabilities").replaceChildren(...MOODS.map((mood) => make("li", { data: { mood } },
    make("span", { className: "name" }, icon(mood), text(mood)),
    make("meter", { max: 1, value: probabilities[mood] ?? 0, aria: { hidden: "true" } }),
    make("span", { className: "percent", textContent: percent(probabilities[mood] ?? 0, 1) }))));
}
