// The choice of the model. It is shown only if the server has more than one.
import { element, make } from "./element.js";
import { ask } from "./server.js";

/** Returns the query parameter for the chosen model, or an empty string if there is no choice. */
export const query = () => (element("model").value ? `&model=${encodeURIComponent(element("model").value)}` : "");

/** Offers the server's models. Calls `changed` when the user chooses another one. */
export async function begin(changed) {
  element("model").addEventListener("change", changed);
  let models;
  try {
    ({ models } = await (await ask("/api/health")).json());
  } catch {
    // No error is shown here: if the server still fails, the user's first request shows it.
    return;
  }
  if (models.length < 2) return;
  element("model").replaceChildren(...models.map((name) => make("option", { value: name, textContent: name })));
  element("model-choice").hidden = false;
}
