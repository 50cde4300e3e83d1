import { html, render } from "../lib/html.js";

/**
 * Ask in a dialog and return a promise of whether the person agreed. `question` is its heading, `consequence` says what
 * will happen, `action` is the word on the button.
 */
export function confirm({ question, consequence = "", action = "Continue", danger = false }) {
  return new Promise((resolve) => {
    const host = document.createElement("div");
    document.body.append(host);
    const close = (agreed) => {
      host.querySelector("dialog").close();
      render(null, host);
      host.remove();
      resolve(agreed);
    };
    render(
      html`<dialog aria-labelledby="confirm-question" onCancel=${(event) => { event.preventDefault(); close(false); }}>
        <article>
          <h2 id="confirm-question">${question}</h2>
          ${consequence && html`<p>${consequence}</p>`}
          <footer>
            <button type="button" class="secondary small" onClick=${() => close(false)}>Keep as it is</button>
            <button type="button" class=${`small ${danger ? "danger" : ""}`} onClick=${() => close(true)}>${action}</button>
          </footer>
        </article>
      </dialog>`,
      host,
    );
    host.querySelector("dialog").showModal();
  });
}
