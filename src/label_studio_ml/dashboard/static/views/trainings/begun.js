import { go } from "../../lib/router.js";

/** Show the training that a request began; without one, return the server's message why it has not begun. */
export function showBegun(begun) {
  if (!begun.job) return begun.message;
  go(["trainings", begun.job]);
  return undefined;
}
