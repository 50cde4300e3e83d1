/** Words for trainings: their states, and what they wait for. */

/** The lists of the view: the name in the address, its words, the states that it shows. */
export const LISTS = [
  ["", "All", ""],
  ["queued", "Waiting", "queued"],
  ["started", "Running", "started"],
  ["finished", "Finished", "finished"],
  ["failed", "Failed", "failed"],
  ["interrupted", "Interrupted", "interrupted"],
  ["cancelled", "Cancelled", "cancelled"],
  ["parked", "Set aside", ""],
];

/** The names of trackers for people. */
export const TRACKERS = { mlflow: "MLflow", wandb: "Weights & Biases", tensorboard: "TensorBoard" };

const STATES = {
  queued: ["waiting", "waiting"],
  started: ["busy", "running"],
  finished: ["good", "finished"],
  failed: ["bad", "failed"],
  interrupted: ["warning", "interrupted"],
  cancelled: ["neutral", "cancelled"],
};

/** Return kind and word of a training's state, for `Status`. */
export function stateOf(training) {
  if (training.cancel_requested) return ["warning", "cancelling"];
  if (training.state === "finished" && training.held_back) return ["warning", "finished, held back"];
  return STATES[training.state] ?? ["neutral", training.state];
}

/** Return whether a training has not ended. */
export function isActive(training) {
  return training.state === "queued" || training.state === "started";
}

/** Return whether a training ended with an error. */
export function isError(training) {
  return training.state === "failed" || training.state === "interrupted";
}

/** Return the seconds that a training has run, undefined if it has not begun. */
export function secondsOf(training, now = Date.now()) {
  if (!training.started) return undefined;
  return Math.max(0, ((training.ended ? Date.parse(training.ended) : now) - Date.parse(training.started)) / 1000);
}

/** Return the name of a project: its title, or its number. */
export function projectName(entry, titles) {
  return titles?.[entry.project] || `Project ${entry.project_id}`;
}
