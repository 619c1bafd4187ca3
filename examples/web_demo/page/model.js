// The model that hears: a choice only where the program has more than one.
import { element, make } from "./element.js";
import { ask } from "./server.js";

/** What the address of a question adds for the model that was chosen. */
export const query = () => (element("model").value ? `&model=${encodeURIComponent(element("model").value)}` : "");

/** Offers the program's models. Calls `changed` when another one is chosen. */
export async function begin(changed) {
  element("model").addEventListener("change", changed);
  let models;
  try {
    ({ models } = await (await ask("/api/health")).json());
  } catch {
    // The next request will report the error.
    return;
  }
  if (models.length < 2) return;
  element("model").replaceChildren(...models.map((name) => make("option", { value: name, textContent: name })));
  element("model-choice").hidden = false;
}
