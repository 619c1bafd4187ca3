// "How it heard you": pictures with the same time axis, and the duration of each stage. The pictures are drawn when the section is opened.
import { element, make } from "./element.js";
import { query as model } from "./model.js";
import { Latest, complain, post } from "./server.js";
import * as songs from "./songs.js";
import { code as language, length, measure, number, onLanguage, say, text } from "./words.js";

const STAGES = ["wait", "decode", "recognize", "pictures"];

const drawings = new Latest();
/** The recording on show: { file, cut, answer }. */
let heard = null;
let drawn = null;

const milliseconds = (time) => measure(time, "millisecond", 1);

function showTiming() {
  const { seconds, sample_rate: rate, channels } = heard.answer.audio;
  const facts = text("heard.facts", {
    length: length(seconds),
    rate: number(rate, { useGrouping: false }),
    channels: channels === 1 ? text("heard.mono") : text("heard.channels", { count: number(channels) }),
  });
  const times = { ...heard.answer.timing_ms, pictures: drawn?.timing_ms.pictures };
  const told = STAGES.filter((stage) => times[stage] !== undefined);
  const rows = [["clip", facts], ...told.map((stage) => [stage, milliseconds(times[stage])])];
  rows.push(["songs", songs.time() === undefined ? "…" : milliseconds(songs.time())]);
  element("timing").querySelector("tbody").replaceChildren(...rows.map(([name, value]) => make("tr", {},
    make("th", { scope: "row", textContent: text(`heard.${name}`) }),
    make("td", { textContent: value, ...(name === "songs" && { id: "songs-time" }) }))));
}

function showPictures() {
  element("pictures").replaceChildren(...(drawn?.pictures ?? []).map(({ alt, src, width, height }) =>
    Object.assign(new Image(), { alt, src, width, height })));
  say("heard-status");
}

async function drawPictures() {
  if (!heard || drawn || !element("heard").open) return;
  say("heard-status", () => text("heard.drawing"));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  // Pictures are drawn with the width at which they are shown, so that letters keep their size. The border takes two pixels.
  const width = Math.max(240, Math.min(1200, Math.floor(element("pictures").clientWidth) - 2));
  const address = `/api/recognize?count=0&pictures=true&dark=${dark}&language=${language()}&width=${width}&cut=${heard.cut}${model()}`;
  try {
    await drawings.run(async (signal, isLatest) => {
      const answer = await (await post(address, heard.file, signal)).json();
      if (!isLatest()) return;
      drawn = answer;
      showPictures();
      showTiming();
    });
  } catch (error) {
    complain(error, "heard-status");
  }
}

/** Draws the pictures again in another theme or language. */
function redraw() {
  if (!heard) return;
  drawings.withdraw();
  drawn = null;
  showPictures();
  showTiming();
  drawPictures();
}

/** Shows the answer for a recording, or removes it if `given` is null. Pictures are drawn only if the section is open. */
export function show(given) {
  drawings.withdraw();
  heard = given;
  drawn = null;
  element("heard").hidden = !given;
  element("pictures").replaceChildren();
  say("heard-status");
  if (!given) return;
  showTiming();
  drawPictures();
}

export function begin() {
  element("heard").addEventListener("toggle", drawPictures);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  onLanguage(redraw);
}
