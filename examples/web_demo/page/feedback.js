// "Was this right?": answers that stay in this browser.
import { element, MOODS } from "./common.js";
import { recommend } from "./songs.js";

const PLACE = "answers";
let current = null;

function answers() {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

function report(text) {
  const count = answers().length;
  const kept = count === 0 ? "" : count === 1 ? "1 answer is kept." : `${count} answers are kept.`;
  element("feedback-status").textContent = `${text} ${kept}`.trim();
}

/** A new reading to be judged. */
export function judge(answer, name) {
  current = { name, answer };
  document.querySelectorAll("#feedback-moods button").forEach((button) => button.setAttribute("aria-pressed", "false"));
  report("");
}

const cell = (value) => {
  const text = String(value);
  // Spreadsheets would run a cell that begins like a formula.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

export function csv() {
  const header = ["time", "clip", "recognised", "said", ...MOODS];
  const rows = answers().map(({ time, clip, recognised, said, probabilities }) =>
    [time, clip, recognised, said, ...MOODS.map((mood) => probabilities?.[mood] ?? "")]);
  return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function begin() {
  element("feedback-moods").replaceChildren(...MOODS.map((mood) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = mood;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      if (!current) return;
      const { name, answer } = current;
      const kept = answers().filter((other) => other.time !== current.time);
      current.time ??= new Date().toISOString();
      kept.push({ time: current.time, clip: name, recognised: answer.mood, said: mood, probabilities: answer.probabilities });
      localStorage.setItem(PLACE, JSON.stringify(kept));
      document.querySelectorAll("#feedback-moods button").forEach((other) =>
        other.setAttribute("aria-pressed", String(other === button)));
      report("Thank you.");
      // The songs follow the correction at once.
      recommend({ [mood]: 1 });
    });
    return button;
  }));
  element("feedback-export").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = "answers.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  element("feedback-clear").addEventListener("click", () => {
    localStorage.removeItem(PLACE);
    report("Forgotten.");
  });
}
