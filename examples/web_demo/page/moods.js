// The four moods with name, colour and icon. A mood is never shown by its colour alone.
import { draw, element, make } from "./element.js";
import { ICONS, MOODS } from "./palette.js";
import { percent, text } from "./words.js";

export { MOODS };

/** Returns the icon of a mood. It is hidden from screen readers, because the mood's name is beside it. */
export function icon(mood) {
  return draw("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, draw("path", { d: ICONS[mood] ?? "" }));
}

/** Symbols on buttons: SVG paths in a box of 24 × 24. */
const SIGNS = {
  play: "M7 4v16l13-8z",
  pause: "M8 5v14M16 5v14",
  like: "M12 20C5 14.5 3 11.5 3 8.5A4.7 4.7 0 0 1 12 6.5a4.7 4.7 0 0 1 9 2c0 3-2 6-9 11.5z",
  hide: "M5 5l14 14M19 5L5 19",
};

/** Returns the symbol of a button. It is hidden from screen readers, because the button has a label. */
export function sign(name) {
  return draw("svg", { viewBox: "0 0 24 24", class: `sign ${name}`, "aria-hidden": "true" }, draw("path", { d: SIGNS[name] }));
}

/** Returns the colour of a mood in the current theme. */
export function colour(mood) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${mood.toLowerCase()}`).trim();
}

/** Returns the moods with their probabilities, most probable first. */
export const ranked = (probabilities) =>
  MOODS.map((mood) => [mood, probabilities[mood] ?? 0]).sort((a, b) => b[1] - a[1]);

/** Draws a share as a bar. It is hidden from screen readers, because the percentage is beside it. */
function bar(share) {
  const fill = make("span");
  fill.style.width = `${share * 100}%`;
  return make("span", { className: "bar", aria: { hidden: "true" } }, fill);
}

/** Lowest probability of a confident answer that is called sure. */
const SURE = 0.6;

/** Shows an answer in the card: icon, name and certainty of the most probable mood, and all four probabilities as bars. */
export function showVerdict({ probabilities, confident, chosen }) {
  const [[first, share], [second, other]] = ranked(probabilities);
  element("result").dataset.mood = first;
  element("icon").replaceChildren(icon(first));
  element("mood").textContent = text(first);
  const kind = chosen ? "chosen" : !confident ? "unsure" : share >= SURE ? "sure" : "likely";
  element("result").dataset.certainty = kind;
  const values = { first: percent(share), other: text(second.toLowerCase()), second: percent(other) };
  element("certainty").textContent = text(`verdict.${kind}`, values);
  element("probabilities").hidden = Boolean(chosen);
  element("probabilities").replaceChildren(...MOODS.map((mood) => make("li", { data: { mood } },
    make("span", { className: "name" }, icon(mood), text(mood)),
    bar(probabilities[mood] ?? 0),
    make("span", { className: "percent", textContent: percent(probabilities[mood] ?? 0, 1) }))));
}
