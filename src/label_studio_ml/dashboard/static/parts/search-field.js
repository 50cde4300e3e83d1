import { html, useEffect, useRef, useState } from "../lib/html.js";

/** Milliseconds without typing after which a search begins. */
const PAUSE = 250;

/** A search field named `label`; `onSearch` is called with its text when typing pauses. */
export function SearchField({ label, value = "", onSearch }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  const reported = useRef(value);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    // The address has changed by other means, such as the button for the previous page.
    if (value === reported.current) return;
    reported.current = value;
    clearTimeout(timer.current);
    setText(value);
  }, [value]);
  function type(event) {
    setText(event.target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      reported.current = event.target.value;
      onSearch(event.target.value);
    }, PAUSE);
  }
  return html`<label class="search"><span>${label}</span><input type="search" value=${text} onInput=${type} /></label>`;
}
