import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { address, get } from "../../lib/api.js";
import { useTopic } from "../../lib/live.js";
import { mayAct } from "../../lib/session.js";
import { size } from "../../lib/format.js";
import { Notice } from "../../parts/notice.js";
import { SearchField } from "../../parts/search-field.js";
import { LogRecord } from "./log-record.js";

/** Records that stay on the page; older ones are removed while it follows the log. */
const MOST = 1000;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const NOTHING = { records: [], first: "", next: "", server: "", files: ["server.log"], size: 0, tracebacks: true };

/** The log of this server: searched, by level, followed as it grows, and to be downloaded. */
export function ServerLog() {
  const [file, setFile] = useState("server.log");
  const [search, setSearch] = useState("");
  const [level, setLevel] = useState("");
  const [following, setFollowing] = useState(true);
  const [log, setLog] = useState(NOTHING);
  const [problem, setProblem] = useState("");
  const [reads, setReads] = useState(0); // that are not answered yet
  const busy = reads > 0;
  const box = useRef(null);
  const position = useRef("");
  const taken = useRef(null); // the live value whose lines were read last
  const live = useTopic(following ? `log:${file}` : "");
  const filters = `${file}\n${search}\n${level}`;
  const present = useRef(filters);
  present.current = filters;

  async function read(query, use) {
    const asked = filters;
    setReads((number) => number + 1);
    try {
      const answer = await get("errors/log", { file, search, level, ...query });
      if (present.current !== asked) return;
      setProblem("");
      use(answer);
    } catch (error) {
      if (present.current === asked) setProblem(error.message);
    } finally {
      setReads((number) => number - 1);
    }
  }

  useEffect(() => {
    position.current = "";
    read({}, (answer) => {
      position.current = answer.next;
      setLog(answer);
    });
  }, [filters]);

  useEffect(() => {
    // A value that comes during a read is taken after it: two reads from one position would show its lines twice.
    if (busy || !following || !live?.next || live === taken.current || !position.current) return;
    taken.current = live;
    if (live.next === position.current) return;
    read({ after: position.current }, (answer) => {
      position.current = answer.next;
      setLog((old) => ({ ...old, ...answer, records: [...(answer.skipped ? [] : old.records), ...answer.records].slice(-MOST) }));
    });
  }, [live, following, busy]);

  useEffect(() => {
    if (following && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log, following]);

  function older() {
    setFollowing(false);
    read({ before: log.first }, (answer) =>
      setLog((old) => ({ ...old, first: answer.first, records: [...answer.records, ...old.records] })));
  }

  return html`<section aria-labelledby="log-heading" class="server-log">
    <h2 id="log-heading">Log of this server</h2>
    <p>These are the lines of <bdi>${log.server || "this server"}</bdi>. Each server of this backend offers its own; the log of a
      training is on its page.${!log.tracebacks && " Tracebacks are shown to operators only."}</p>
    <div class="toolbar">
      <label><span>File</span><select value=${file} onChange=${(event) => setFile(event.target.value)}>
        ${log.files.map((name) => html`<option value=${name} selected=${name === file}>${name === "rq.log" ? "rq.log (workers)" : name}</option>`)}
      </select></label>
      <label><span>Level</span><select value=${level} onChange=${(event) => setLevel(event.target.value)}>
        <option value="">all lines</option>
        ${LEVELS.slice(1).map((name) => html`<option value=${name} selected=${name === level}>${name} and above</option>`)}
      </select></label>
      <${SearchField} label="Search the log" value=${search} onSearch=${setSearch} />
      <button type="button" class="small secondary" aria-pressed=${following} onClick=${() => setFollowing(!following)}>${following ? "Pause" : "Follow"}</button>
      ${mayAct() && html`<a class="small secondary" role="button" href=${address("errors/log/download", { file })} download=${file}>Download (${size(live?.size ?? log.size)})</a>`}
    </div>
    ${problem && html`<${Notice} kind="error">${problem}</${Notice}>`}
    <div class="log-box" ref=${box} tabindex="0" role="group" aria-label="Lines of the log" aria-busy=${busy}>
      ${log.first && html`<button type="button" class="small secondary" disabled=${busy} onClick=${older}>
        ${log.records.length || !search ? "Show older lines" : "Search older lines"}</button>`}
      ${!log.records.length && html`<p>${search || level ? "No line fits in the part that was searched." : "The log is empty."}</p>`}
      <ol>${log.records.map((record) => html`<${LogRecord} key=${record.at} record=${record} file=${file} search=${search} />`)}</ol>
    </div>
  </section>`;
}
