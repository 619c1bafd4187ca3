// Draws the probabilities of the last minute as four lines, which differ in colour, dashes and name.
import { MOODS, colour } from "./moods.js";
import { measure, percent, text } from "./words.js";

const DASHES = { Calm: [], Happy: [10, 4], Sad: [3, 3], Energetic: [14, 4, 3, 4] };
const HEIGHT = 120;
const [LEFT, RIGHT] = [48, 100];

/** Draws the readings { at, probabilities } of the last `seconds`. `at` is in seconds, and `probabilities` is null for silence. */
export function drawLines(canvas, readings, seconds) {
  const pen = canvas.getContext("2d");
  // The canvas gets the size at which it is shown. If it were scaled, its letters would shrink on a phone.
  const width = canvas.clientWidth;
  if (width === 0) return;
  canvas.width = width * devicePixelRatio;
  canvas.height = HEIGHT * devicePixelRatio;
  pen.scale(devicePixelRatio, devicePixelRatio);
  const now = readings.at(-1)?.at ?? 0;
  const x = (at) => width - RIGHT - (now - at) / seconds * (width - RIGHT - LEFT);
  const y = (share) => 12 + (1 - share) * (HEIGHT - 40);
  const ink = getComputedStyle(canvas).color;
  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = ink;
  pen.strokeStyle = ink;
  pen.lineWidth = 0.3;
  for (const share of [0, 0.5, 1]) {
    line(pen, [[LEFT, y(share)], [width - RIGHT, y(share)]]);
    pen.fillText(percent(share), 2, y(share) + 4);
  }
  for (let ago = 0; ago <= seconds; ago += 15) {
    const words = ago === 0 ? text("live.axisNow") : measure(-ago, "second").replace("-", "−");
    pen.fillText(words, Math.max(0, x(now - ago) - 14), HEIGHT - 6);
  }
  pen.lineWidth = 2.5;
  for (const mood of MOODS) {
    dress(pen, mood);
    let points = [];
    readings.forEach(({ at, probabilities }) => {
      if (probabilities) points.push([x(at), y(probabilities[mood])]);
      else {
        line(pen, points);
        points = [];
      }
    });
    line(pen, points);
  }
  const last = readings.at(-1)?.probabilities;
  if (last) name(pen, MOODS.map((mood) => [y(last[mood]), mood]), width - RIGHT, y(0));
}

function dress(pen, mood) {
  pen.strokeStyle = colour(mood);
  pen.setLineDash(DASHES[mood]);
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], i) => pen[i === 0 ? "moveTo" : "lineTo"](x, y));
  pen.stroke();
}

/** Writes the moods' names beside the ends of their lines. Moves names apart if they would overlap, and keeps all above the axis. */
function name(pen, ends, left, floor) {
  ends.sort((a, b) => a[0] - b[0]);
  let free = 0;
  ends.forEach(([at, mood], i) => {
    free = Math.max(Math.min(at, floor - 14 * (ends.length - 1 - i)), free + 14);
    dress(pen, mood);
    line(pen, [[left + 6, free], [left + 28, free]]);
    pen.fillText(text(mood), left + 32, free + 4);
  });
}
