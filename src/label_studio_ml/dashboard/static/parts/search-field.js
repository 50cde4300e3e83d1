import { html, useEffect, useRef, useState } from "../lib/html.js";

/** Milliseconds without typing after which a search begins. */
const PAUSE = 250;

/** A search field named `label`; `onSearch` is called with its text when typing pauses. */
export function SearchField({ label, value = "", onSearch }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  function type(event) {
    setText(event.target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(event.target.value), PAUSE);
  }
  return html`<label class="search"><span>${label}</span><input type="search" value=${text} onInput=${type} /></label>`;
}
