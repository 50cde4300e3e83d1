import { html } from "../../lib/html.js";
import { ShortText } from "../../parts/short-text.js";
import { link } from "../../lib/router.js";
import { Ago } from "../../parts/time.js";
import { TRACKERS } from "./states.js";

/** Who has the events of an interrupted training. */
export function Successor({ training }) {
  if (!training.retried_by) return "a later training gets its events";
  return html`training <a href=${link(["trainings", training.retried_by])}>${training.retried_by}</a> has its events`;
}

/** Why a training is in its state: what it waits for, why it failed or was held back, and what a person can do. */
export function Why({ training, most = 160 }) {
  const { wait, advice } = training;
  if (wait) {
    return html`<span><${ShortText} text=${wait.text} most=${most} />
      ${wait.until && html` (next check <${Ago} at=${wait.until} />)`}</span>
      ${wait.fix && html`<br /><small>${wait.fix}</small>`}`;
  }
  if (training.state === "failed" || training.state === "interrupted") {
    return html`${advice && html`<strong>${advice.cause}.</strong> `}<${ShortText} text=${training.error ?? ""} most=${most} />
      ${training.state === "interrupted" && html`; <${Successor} training=${training} />`}
      ${advice && html`<br /><small>${advice.fix}</small>`}`;
  }
  const text = training.ending || training.held_back || training.comparison || training.message || "";
  const gaps = Object.entries(training.trackers ?? {}).filter(([, tracker]) => tracker.fix);
  return html`${text && html`<${ShortText} text=${text} most=${most} />`}
    ${gaps.map(([name, tracker]) => html`${text && html`<br />`}<small>${TRACKERS[name] ?? name} lacks ${tracker.missing === "part" ? "a part of it" : "it"}</small>`)}`;
}
