// The four moods: name, colour and icon, so that colour never stands alone.
import { draw, element, make } from "./element.js";
import { ICONS, MOODS } from "./palette.js";
import { percent, text } from "./words.js";

export { MOODS };

/** A mood's icon; the mood's name stands beside it. */
export function icon(mood) {
  return draw("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, draw("path", { d: ICONS[mood] ?? "" }));
}

/** What buttons do: SVG paths in a box of 24 × 24. */
const SIGNS = {
  play: "M7 4v16l13-8z",
  pause: "M8 5v14M16 5v14",
  like: "M12 20C5 14.5 3 11.5 3 8.5A4.7 4.7 0 0 1 12 6.5a4.7 4.7 0 0 1 9 2c0 3-2 6-9 11.5z",
  hide: "M5 5l14 14M19 5L5 19",
};

/** A sign on a button; the button's name stands in its label. */
export function sign(name) {
  return draw("svg", { viewBox: "0 0 24 24", class: `sign ${name}`, "aria-hidden": "true" }, draw("path", { d: SIGNS[name] }));
}

/** A mood's colour in the theme that holds now. */
export function colour(mood) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${mood.toLowerCase()}`).trim();
}

/** The moods with their probabilities, the likeliest first. */
export const ranked = (probabilities) =>
  MOODS.map((mood) => [mood, probabilities[mood] ?? 0]).sort((a, b) => b[1] - a[1]);

/** A share as a bar; its percentage stands beside it. */
function bar(share) {
  const fill = make("span");
  fill.style.width = `${share * 100}%`;
  return make("span", { className: "bar", aria: { hidden: "true" } }, fill);
}

/** From here on a confident answer is called sure. */
const SURE = 0.6;

/** Shows a mood as a card: icon, name, certainty in words, and all four as bars. */
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
