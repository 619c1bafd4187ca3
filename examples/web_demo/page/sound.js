// The recording: its waveform in the colours of its moods, and a player that starts where the user clicks.
import { element, make, rove } from "./element.js";
import { colour, icon, sign } from "./moods.js";
import { post } from "./server.js";
import { clock, onLanguage, stretch as inWords, text } from "./words.js";

const HEIGHT = 72;
const STEP_SECONDS = 5;

/** The recording on show: { file, cut, timeline, peaks, seconds }, or null. */
let shown = null;

const player = () => element("player");

function what({ mood, confident }) {
  if (!mood) return text("sound.none");
  const name = text(mood.toLowerCase());
  return confident ? name : text("sound.unsure", { mood: name });
}

const stretchAt = (second) => shown.timeline.find(({ end }) => second < end) ?? shown.timeline.at(-1);

function drawWave() {
  if (!shown) return;
  const canvas = element("wave").querySelector("canvas");
  const pen = canvas.getContext("2d");
  const width = element("wave").clientWidth;
  if (width === 0) return;
  canvas.width = width * devicePixelRatio;
  canvas.height = HEIGHT * devicePixelRatio;
  pen.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(document.documentElement);
  const [ink, faint] = ["--ink", "--silent"].map((name) => style.getPropertyValue(name).trim());
  const { peaks, seconds } = shown;
  const highest = Math.max(0.01, ...peaks);
  const bars = Math.min(peaks.length, Math.floor(width / 3));
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor(bar * peaks.length / bars);
    const to = Math.max(from + 1, Math.floor((bar + 1) * peaks.length / bars));
    const tall = Math.max(2, (Math.max(...peaks.slice(from, to)) / highest) * (HEIGHT - 8));
    const stretch = stretchAt((bar + 0.5) / bars * seconds);
    pen.fillStyle = stretch?.mood ? colour(stretch.mood) : faint;
    pen.fillRect(bar * width / bars, (HEIGHT - tall) / 2, Math.max(1, width / bars - 1), tall);
  }
  pen.fillStyle = ink;
  pen.fillRect(Math.min(width - 2, player().currentTime / seconds * width), 0, 2, HEIGHT);
}

function tell() {
  if (!shown) return;
  const wave = element("wave");
  const at = Math.min(player().currentTime, shown.seconds);
  wave.setAttribute("aria-valuemax", shown.seconds.toFixed(1));
  wave.setAttribute("aria-valuenow", at.toFixed(1));
  const stretch = stretchAt(at);
  wave.setAttribute("aria-valuetext", text("sound.at", {
    at: clock(at), end: clock(shown.seconds), what: stretch ? what(stretch) : "",
  }));
  element("place").textContent = clock(at);
  drawWave();
}

function showPlay() {
  const isPlaying = !player().paused;
  const button = element("play");
  button.setAttribute("aria-label", text(isPlaying ? "sound.pause" : "sound.play"));
  button.replaceChildren(sign(isPlaying ? "pause" : "play"));
}

function playFrom(second) {
  player().currentTime = second;
  // `play` rejects if the file cannot be played. The handler of the player's `error` event then converts the file.
  player().play().catch(() => {});
  tell();
}

function showSegments() {
  if (!shown) return;
  element("segments").replaceChildren(...shown.timeline.map((stretch) => {
    const { start, end, mood } = stretch;
    const button = make("button", { type: "button", data: { mood: mood ?? "none" }, title: what(stretch) }, ...(mood ? [icon(mood), make("span", { textContent: text(mood) })] : []));
    button.setAttribute("aria-label", inWords(start, end, what(stretch)));
    // A button has the position and width of its stretch on the waveform's axis, even if it is very narrow.
    button.style.left = `${start / shown.seconds * 100}%`;
    button.style.width = `${(end - start) / shown.seconds * 100}%`;
    button.addEventListener("click", () => playFrom(start));
    return button;
  }));
  rove(element("segments"));
}

function giveUp() {
  element("unplayable").hidden = false;
  element("play").disabled = true;
}

/** Lets the server convert a file that this browser cannot play. */
async function convert() {
  const current = shown;
  if (!current) return;
  if (current.isConverted) {
    giveUp();
    return;
  }
  current.isConverted = true;
  try {
    const response = await post(`/api/wav?cut=${current.cut}`, current.file);
    const file = await response.blob();
    if (current === shown) load(file);
  } catch {
    if (current === shown) giveUp();
  }
}

function load(file) {
  const address = player().src;
  player().src = URL.createObjectURL(file);
  if (address) URL.revokeObjectURL(address);
}

/** Shows a recording, or removes the last one if `recording` is null. */
export function show(recording) {
  shown = recording;
  element("sound").hidden = !recording;
  element("unplayable").hidden = true;
  element("play").disabled = false;
  player().pause();
  if (!recording) {
    if (player().src) URL.revokeObjectURL(player().src);
    player().removeAttribute("src");
    player().load();
    return;
  }
  load(recording.file);
  showSegments();
  showPlay();
  tell();
}

export function begin() {
  const audio = player();
  const isAtEnd = () => shown && audio.currentTime >= shown.seconds;
  audio.addEventListener("error", () => audio.getAttribute("src") && convert());
  audio.addEventListener("timeupdate", () => {
    // A file may be longer than its recognised part.
    if (isAtEnd()) audio.pause();
    tell();
  });
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, showPlay);
  element("play").addEventListener("click", () => {
    if (!audio.paused) audio.pause();
    else playFrom(audio.ended || isAtEnd() ? 0 : audio.currentTime);
  });
  const wave = element("wave");
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    if (shown) playFrom(Math.max(0, (event.clientX - box.left) / box.width) * shown.seconds);
  });
  wave.addEventListener("keydown", (event) => {
    const step = { ArrowRight: STEP_SECONDS, ArrowUp: STEP_SECONDS, ArrowLeft: -STEP_SECONDS, ArrowDown: -STEP_SECONDS }[event.key];
    const to = { Home: 0, End: shown?.seconds }[event.key] ?? (step && audio.currentTime + step);
    if (!shown || to === undefined) return;
    event.preventDefault();
    audio.currentTime = Math.max(0, Math.min(shown.seconds, to));
    tell();
  });
  new ResizeObserver(drawWave).observe(wave);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawWave);
  onLanguage(() => {
    showPlay();
    showSegments();
    tell();
  });
}
