// The page: a file, the microphone or the sample goes to the server, and what it answers is shown.
import { Microphone, decodeHere, level, microphoneProblem, wav } from "./audio.js";
import { MOODS, SILENCE_DB, ask, complain, element, meter } from "./common.js";
import * as feedback from "./feedback.js";
import * as live from "./live.js";
import * as songs from "./songs.js";

const MAX_BYTES = 20_000_000;
const MAX_SECONDS = 60;

async function recognize(file, name, wish = "") {
  complain(null);
  if (file.size > MAX_BYTES) {
    complain({ message: "The file is too large: 20 MB at most." });
    return;
  }
  element("status").textContent = `Listening to ${name}…`;
  document.body.setAttribute("aria-busy", "true");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const send = (body) => ask(`/api/recognize?count=0&pictures=true&dark=${dark}${wish}`, { method: "POST", body });
  try {
    let answer;
    try {
      answer = await send(file);
    } catch (error) {
      if (!["not-audio", "unsupported-codec"].includes(error.code)) throw error;
      // The browser may know formats that the server doesn't.
      const decoded = await decodeHere(file);
      if (!decoded) throw error;
      answer = await send(decoded);
    }
    show(answer, name, file);
    await songs.recommend(answer.probabilities);
  } catch (error) {
    complain(error);
  } finally {
    element("status").textContent = "";
    document.body.removeAttribute("aria-busy");
  }
}

function show(answer, name, file) {
  const player = element("player");
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  player.hidden = false;
  player.setAttribute("aria-label", name);
  element("mood").textContent = answer.mood;
  element("probabilities").replaceChildren(...MOODS.map((mood) => {
    const share = answer.probabilities[mood] ?? 0;
    const item = document.createElement("li");
    const label = document.createElement("span");
    label.textContent = mood;
    const bar = document.createElement("meter");
    bar.max = 1;
    bar.value = share;
    bar.setAttribute("aria-hidden", "true");
    const percent = document.createElement("span");
    percent.className = "percent";
    percent.textContent = `${(share * 100).toFixed(1)} %`;
    item.append(label, bar, percent);
    return item;
  }));
  element("pictures").replaceChildren(...answer.pictures.map(({ alt, src, width, height }) =>
    Object.assign(new Image(), { alt, src, width, height })));
  const { seconds, sample_rate, channels } = answer.audio;
  const stages = {
    wait: "waiting for a worker", decode: "decoding", recognize: "features and model", pictures: "pictures",
  };
  const rows = Object.entries(stages).map(([stage, title]) => [title, `${answer.timing_ms[stage].toFixed(1)} ms`]);
  // The songs are asked for on their own, and tell their time when they come.
  rows.push(["songs", "…"]);
  const kind = `${seconds.toFixed(1)} s, ${sample_rate} Hz, ${channels === 1 ? "mono" : `${channels} channels`}`;
  element("timing").querySelector("tbody").replaceChildren(...[["clip", kind], ...rows].map(([title, value]) => {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row", textContent: title });
    const cell = Object.assign(document.createElement("td"), { textContent: value });
    if (title === "songs") cell.id = "songs-time";
    row.append(head, cell);
    return row;
  }));
  feedback.judge(answer, name);
  element("result").hidden = false;
  element("result").focus();
}

let recording = null;

async function startRecording() {
  complain(null);
  await live.stop();
  const blocks = [];
  let length = 0;
  try {
    const microphone = await Microphone.open((block) => {
      blocks.push(block);
      length += block.length;
      meter(level(block));
      if (recording && length > (MAX_SECONDS - 1) * microphone.sampleRate) stopRecording();
    });
    recording = { microphone, blocks };
  } catch (error) {
    complain({ message: microphoneProblem(error) });
    return;
  }
  element("record").setAttribute("aria-pressed", "true");
  element("record").textContent = "Stop";
  element("level-row").hidden = false;
  element("status").textContent = "Recording. Say a sentence, then stop.";
}

async function stopRecording() {
  const { microphone, blocks } = recording;
  recording = null;
  const sampleRate = microphone.sampleRate;
  await microphone.stop();
  element("record").setAttribute("aria-pressed", "false");
  element("record").textContent = "Record";
  element("level-row").hidden = true;
  element("status").textContent = "";
  const samples = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    samples.set(block, at);
    at += block.length;
  }
  // A microphone is never quite still: what it hears of an empty room is no mood.
  await recognize(wav(samples, sampleRate), "your recording", `&silence_db=${SILENCE_DB}`);
}

function begin() {
  feedback.begin();
  songs.begin();
  live.begin();
  element("file").addEventListener("change", () => {
    const [file] = element("file").files;
    if (file) recognize(file, file.name);
  });
  element("sample").addEventListener("click", async () => {
    const response = await fetch("/sample.wav").catch(() => null);
    if (response?.ok) await recognize(await response.blob(), "the sample");
    else complain({ message: "The program that serves this page does not answer." });
  });
  element("record").addEventListener("click", () => (recording ? stopRecording() : startRecording()));
  const drop = element("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      const [file] = kind === "drop" ? event.dataTransfer.files : [];
      if (file) recognize(file, file.name);
    });
  }
}

begin();
