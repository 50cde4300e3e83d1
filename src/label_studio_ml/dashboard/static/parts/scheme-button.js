import { html, useState } from "../lib/html.js";

const NEXT = { auto: "dark", dark: "light", light: "auto" };
const WORDS = { auto: "Colours: automatic", dark: "Colours: dark", light: "Colours: light" };

apply(stored());

/** A button that changes the colour scheme: as the system, dark, light. The choice is kept in this browser. */
export function SchemeButton() {
  const [scheme, setScheme] = useState(stored);
  function change() {
    const next = NEXT[scheme];
    try {
      localStorage.setItem("colour-scheme", next);
    } catch {
      // Without storage the choice lasts until the page is closed.
    }
    apply(next);
    setScheme(next);
    dispatchEvent(new Event("schemechange"));
  }
  return html`<button type="button" class="small secondary outline" onClick=${change}>${WORDS[scheme]}</button>`;
}

function stored() {
  try {
    return NEXT[localStorage.getItem("colour-scheme")] ? localStorage.getItem("colour-scheme") : "auto";
  } catch {
    return "auto";
  }
}

function apply(scheme) {
  if (scheme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", scheme);
}
