import { html } from "../../lib/html.js";
import { part, post } from "../../lib/api.js";
import { ActionButton } from "../../parts/action-button.js";
import { isActive } from "./states.js";
import { showBegun } from "./begun.js";

/** The buttons of one training: cancel while it waits or runs, else train again. `onDone` is called after an action. */
export function TrainingActions({ training, onDone = () => {} }) {
  const job = training.job;
  if (isActive(training)) {
    return html`<${ActionButton} kind="danger" label=${`Cancel training ${job}`} disabled=${Boolean(training.cancel_requested)}
      question=${`Cancel training ${job}?`}
      consequence=${training.state === "started"
        ? "What it has learned so far is lost, and its events are removed. The served version stays."
        : "It will not run, and its events are removed. The served version stays."}
      act=${async () => { await post(`trainings/${part(job)}/cancel`); onDone(); }}>Cancel</${ActionButton}>`;
  }
  const words = training.state === "failed" ? "Retry" : "Train again";
  return html`<${ActionButton} kind=${training.state === "failed" ? "" : "secondary"} label=${`${words}: project ${training.project_id}`}
    act=${async () => {
      const begun = await post(`trainings/${part(job)}/retry`);
      return showBegun(begun);
    }}>${words}</${ActionButton}>`;
}
