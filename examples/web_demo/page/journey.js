// Draws a journey as a path in the valence–energy plane.
import { draw, element } from "./element.js";
import { number, text } from "./words.js";
import * as preferences from "./preferences.js";

const [HEIGHT, MARGIN] = [150, 22];
/** Width in pixels at which the picture is shown, so that letters keep their size on a phone. */
let width = 320;
let shown = null;

const x = ({ valence }) => MARGIN + valence * (width - 2 * MARGIN);
const y = ({ energy }) => HEIGHT - MARGIN - energy * (HEIGHT - 2 * MARGIN);
const write = (at, left, words, anchor) => draw("text", { x: left, y: at, "text-anchor": anchor }, words);

/** Returns the position of the word "you": the side of its point that is farthest from the songs and from the edges. */
function besideYou(from, songs) {
  const room = ([left, at]) => Math.min(left - 12, width - 12 - left, at, HEIGHT - at,
    ...songs.map((song) => Math.hypot(x(song) - left, y(song) - at + 4)));
  const sides = [[0, -9], [0, 17], [22, 4], [-22, 4]].map(([right, down]) => [x(from) + right, y(from) + down]);
  return sides.reduce((best, side) => (room(side) > room(best) ? side : best));
}

/** Shows the path of a journey and its songs. Hides the picture if `way` is null, as for other strategies, or if there are no songs. */
export function show(way, songs, from) {
  shown = { way, songs, from };
  const place = element("journey");
  place.hidden = !way || songs.length === 0;
  if (place.hidden) {
    element("journey-picture").replaceChildren();
    return;
  }
  width = Math.max(200, element("journey-picture").clientWidth || width);
  const known = songs.filter(({ valence, energy }) => typeof valence === "number" && typeof energy === "number");
  const points = [way.from, ...known].map((point) => `${x(point).toFixed(1)},${y(point).toFixed(1)}`).join(" ");
  const stop = (song) => draw("g", { class: "stop", "data-mood": song.mood ?? "none" },
    draw("circle", { cx: x(song), cy: y(song), r: 9 }),
    draw("text", { x: x(song), y: y(song) + 4, "text-anchor": "middle" }, number(songs.indexOf(song) + 1)),
    draw("title", {}, song.name));
  const [leftYou, atYou] = besideYou(way.from, known);
  const label = text("journey.picture", {
    from: text(from.toLowerCase()), to: text(preferences.target().toLowerCase()), count: number(songs.length),
  });
  element("journey-picture").replaceChildren(draw("svg", { width, height: HEIGHT, role: "img", "aria-label": label },
    draw("rect", { x: MARGIN, y: MARGIN, width: width - 2 * MARGIN, height: HEIGHT - 2 * MARGIN, class: "plane" }),
    write(15, MARGIN, text("journey.title"), "start"),
    write(HEIGHT - 6, MARGIN, text("journey.gloomy"), "start"),
    write(HEIGHT - 6, width - MARGIN, text("journey.cheerful"), "end"),
    write(HEIGHT - MARGIN - 4, MARGIN + 3, text("journey.still"), "start"),
    write(MARGIN + 13, MARGIN + 3, text("journey.intense"), "start"),
    draw("line", { x1: x(way.from), y1: y(way.from), x2: x(way.to), y2: y(way.to), class: "straight" }),
    draw("polyline", { points, class: "path" }),
    draw("circle", { cx: x(way.from), cy: y(way.from), r: 5, class: "you" }),
    write(atYou, leftYou, text("journey.you"), "middle"),
    draw("circle", { cx: x(way.to), cy: y(way.to), r: 13, class: "goal" }),
    ...known.map(stop)));
}

export function begin() {
  new ResizeObserver(([{ contentRect }]) => {
    if (shown && contentRect.width > 0 && Math.floor(contentRect.width) !== Math.floor(width)) show(shown.way, shown.songs, shown.from);
  }).observe(element("journey-picture"));
}
