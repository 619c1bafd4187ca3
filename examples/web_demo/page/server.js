// Requests to the server, and their errors in plain words.
import { has, measure, say, text } from "./words.js";

/** An error with a code, which selects its text. */
export class Problem extends Error {
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }

  get words() {
    const name = this.code.includes(".") ? this.code : `problem.${this.code}`;
    const { seconds } = this.values;
    return text(has(name) ? name : "problem.internal", { delay: seconds && measure(Number(seconds), "second", 0, "long") });
  }
}

/** Sends a request and returns its response. Throws a Problem, or an AbortError if the request was withdrawn. */
export async function ask(address, request) {
  let response;
  try {
    response = await fetch(address, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("unreachable");
  }
  if (response.ok) return response;
  const { code = "internal" } = await response.json().catch(() => ({}));
  throw new Problem(code, { seconds: response.headers.get("Retry-After") ?? "1" });
}

export const post = (address, body, signal) => ask(address, { method: "POST", body, signal });
export const postJson = (address, body, signal) =>
  ask(address, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal });

/** Shows the text of an error, or removes it if `error` is null. */
export function complain(error, place = "problem") {
  if (error && !(error instanceof Problem)) console.error(error);
  const problem = error && (error instanceof Problem ? error : new Problem("internal"));
  say(place, problem && (() => problem.words));
}

/**
 * Runs one request at a time. A new request withdraws the one before, whose answer is then never shown. `work` gets a signal, and a
 * function that returns whether it is still the latest. When the signal is aborted, the errors of `work` are dropped.
 */
export class Latest {
  #running = null;

  withdraw() {
    this.#running?.abort();
    this.#running = null;
  }

  async run(work) {
    this.withdraw();
    const turn = new AbortController();
    this.#running = turn;
    const isLatest = () => !turn.signal.aborted;
    try {
      return await work(turn.signal, isLatest);
    } catch (error) {
      if (isLatest()) throw error;
      return undefined;
    } finally {
      if (this.#running === turn) this.#running = null;
    }
  }
}
