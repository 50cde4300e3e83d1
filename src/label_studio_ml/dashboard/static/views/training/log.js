import { html, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { address, get, part } from "../../lib/api.js";
import { count, number } from "../../lib/format.js";
import { ActionButton } from "../../parts/action-button.js";
import { Notice } from "../../parts/notice.js";
import { SearchField } from "../../parts/search-field.js";
import { useLogLines } from "./log-lines.js";
import { shownLine, split } from "./log-text.js";

/** Pixels from the end within which the log counts as scrolled to its end. */
const NEAR_END = 24;

/** The log of the training `job`, live, with search and download. `log` is the part that the topic has. */
export function Log({ job, log, active }) {
  const { lines, first, problem, earlier } = useLogLines(job, log);
  const [follows, setFollows] = useState(true);
  const [search, setSearch] = useState("");
  const box = useRef(null);

  useLayoutEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follows, lines, log?.current]);

  function scrolled() {
    const element = box.current;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    if (atEnd !== follows) setFollows(atEnd);
  }

  const shown = lines.filter(([, text]) => text !== null);
  const found = search ? shown.filter(([, text]) => shownLine(text).toLowerCase().includes(search.toLowerCase())).length : 0;
  return html`<section class="log" aria-labelledby="log-heading">
    <h2 id="log-heading">Log</h2>
    <div class="toolbar">
      <${SearchField} label="Search the log" value=${search} onSearch=${setSearch} />
      ${active && html`<button type="button" class="small secondary" aria-pressed=${follows} onClick=${() => setFollows(!follows)}>
        ${follows ? "Pause" : "Follow"}</button>`}
      <a class="small" role="button" href=${address(`trainings/${part(job)}/log.txt`)} download>Download</a>
    </div>
    ${search && html`<p role="status">${count(found, "line")} of those below ${found === 1 ? "has" : "have"} it.</p>
      <${WholeLog} key=${search} job=${job} search=${search} />`}
    ${problem && html`<${Notice} kind="error">${problem}</${Notice}>`}
    ${first > 0 && html`<p><${ActionButton} viewer kind="secondary" act=${() => { setFollows(false); return earlier(); }}>
      Show earlier lines</${ActionButton}> <small>${count(first, "earlier line")}</small></p>`}
    <pre ref=${box} class="log-lines" tabindex="0" role="group" aria-label="Lines of the log" onScroll=${scrolled}>
      ${shown.map(([line, text]) => html`<${Line} key=${line} text=${text} search=${search} />`)}
      ${active && log?.current && html`<${Line} text=${log.current} search=${search} />`}
    </pre>
    ${!shown.length && !log?.current && html`<p>${active ? "Nothing has been printed yet." : "This training has printed nothing, or its log is not kept any more."}</p>`}
  </section>`;
}

function Line({ text, search }) {
  const parts = split(shownLine(text), search);
  return html`<div class="log-line" dir="auto">${parts.length ? parts.map(([piece, found]) => (found ? html`<mark>${piece}</mark>` : piece)) : " "}</div>`;
}

/** What a search finds in the whole log, of which the page may have the last lines only. */
function WholeLog({ job, search }) {
  const [answer, setAnswer] = useState(null);
  useEffect(() => {
    let wanted = true;
    get(`trainings/${part(job)}/log/search`, { text: search }).then(
      (value) => wanted && setAnswer(value),
      () => wanted && setAnswer({ matches: [] }),
    );
    return () => {
      wanted = false;
    };
  }, []);
  if (!answer?.matches.length) return null;
  const { matches, more } = answer;
  return html`<details>
    <summary>In the whole log: ${more ? "more than " : ""}${count(matches.length, "line")}</summary>
    <pre class="log-lines" tabindex="0" role="group" aria-label="Lines of the whole log that were found">
      ${matches.map(([line, text]) => html`<div class="log-line" dir="auto"><span class="log-number">${number(line + 1)}</span> ${split(shownLine(text), search).map(([piece, found]) => (found ? html`<mark>${piece}</mark>` : piece))}</div>`)}
    </pre>
  </details>`;
}
