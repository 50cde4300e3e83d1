import { html } from "../../lib/html.js";
import { ErrorCode } from "../../parts/error-code.js";
import { ShortText } from "../../parts/short-text.js";
import { link } from "../../lib/router.js";
import { Ago } from "../../parts/time.js";
import { TRACKERS, isError } from "./states.js";

/** Who has the events of an interrupted training. */
export function Successor({ training }) {
  if (!training.retried_by) return "a later training gets its events";
  return html`training <a href=${link(["trainings", training.retried_by])}>${training.retried_by}</a> has its events`;
}

/** A training's error with its cause, and who has the events of an interrupted one. */
export function Failure({ training, most }) {
  const { advice, error = "", state } = training;
  return html`${advice && html`<strong class="cause">${advice.cause}:</strong> `}<${ShortText} text=${error} most=${most} />
    ${state === "interrupted" && html`${error ? "; " : ""}<${Successor} training=${training} />`}`;
}

/** Why a training is in its state: what it waits for, why it failed or was held back, and what a person can do. */
export function Why({ training, most = 160 }) {
  const { wait, retry_of: repeated } = training;
  const gaps = Object.entries(training.trackers ?? {}).filter(([, tracker]) => tracker.fix);
  const lines = [
    wait ? html`<${WaitLine} wait=${wait} most=${most} />` : html`<${Ending} training=${training} most=${most} />`,
    repeated && html`<div><small>repeats <a href=${link(["trainings", repeated])}>${repeated}</a></small></div>`,
    ...gaps.map(([name, tracker]) => html`<div><small>${TRACKERS[name] ?? name} lacks ${tracker.missing === "part" ? "a part of it" : "it"}</small></div>`),
  ];
  return html`${lines}`;
}

function WaitLine({ wait, most }) {
  return html`<div><${ShortText} text=${wait.text} most=${most} />
      ${wait.until && html` (next check <${Ago} at=${wait.until} />)`}</div>
    ${wait.fix && html`<div><small>${wait.fix}</small></div>`}`;
}

/** How a training ended, or its last message. */
function Ending({ training, most }) {
  const { advice, error_code: code } = training;
  if (isError(training)) {
    return html`<div><${Failure} training=${training} most=${most} /></div>
      ${code && html`<div><small><${ErrorCode} code=${code} /></small></div>`}
      ${advice && html`<div><small>${advice.fix}</small></div>`}`;
  }
  const text = training.ending || training.held_back || training.comparison || training.message;
  return text ? html`<div><${ShortText} text=${text} most=${most} /></div>` : null;
}
