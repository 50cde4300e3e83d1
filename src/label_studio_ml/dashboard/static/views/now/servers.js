import { html } from "../../lib/html.js";
import { count, size } from "../../lib/format.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText } from "../../parts/short-text.js";
import { Status } from "../../parts/status.js";
import { Ago } from "../../parts/time.js";

/** The servers of the backend, with their processes and the events on their disks. */
export function Servers({ servers, version }) {
  return html`<section aria-labelledby="now-servers">
    <h2 id="now-servers">Servers</h2>
    <${ScrollBox} label="Servers">
      <table class="now-table">
        <thead><tr><th scope="col">Server</th><th scope="col">State</th><th scope="col">Started</th>
          <th scope="col">Release</th><th scope="col">Model processes</th><th scope="col">Events on its disk</th></tr></thead>
        <tbody>${servers.map((server) => html`<tr key=${server.id}>
          <th scope="row"><bdi>${server.host}</bdi><div class="now-detail">process ${server.pid}${server.address && html`, <bdi>${server.address}</bdi>`}</div></th>
          <td><${ServerState} server=${server} /></td>
          <td><${Ago} at=${server.started} /></td>
          <td><bdi>${server.version}</bdi>${server.version !== version && html` <${Status} kind="warning">another release</${Status}>`}</td>
          <td>${server.processes.length === 0 ? "none" : server.processes.map((process) => html`<div>${process.pid ? `process ${process.pid}` : "starts"}${process.device && html`: <bdi>${process.device}</bdi>`}</div>`)}</td>
          <td>${server.spool ? html`${count(server.spool, "event")}, ${size(server.spool_bytes)}` : "none"}</td>
        </tr>`)}</tbody>
      </table>
    </${ScrollBox}>
  </section>`;
}

function ServerState({ server }) {
  if (server.silent) {
    return html`<${Status} kind="bad">silent</${Status}><div>last report <${Ago} at=${server.at} /></div>`;
  }
  if (server.problem) {
    return html`<${Status} kind="bad">cannot predict</${Status}><div><${ShortText} text=${server.problem} most=${160} /></div>`;
  }
  return html`<${Status} kind="good">runs</${Status}><div class="now-detail">${count(server.models, "project")} loaded</div>`;
}

/** The training workers on all machines. */
export function Workers({ workers, redis }) {
  const hosts = [...new Set(workers.rows.map((worker) => worker.host))];
  return html`<section aria-labelledby="now-workers">
    <h2 id="now-workers">Training workers</h2>
    <p aria-live="polite">${!redis
      ? "Trainings run in the server itself: there are no workers."
      : workers.total === 0
        ? html`<${Status} kind="warning">No worker runs</${Status}>: trainings wait until one does.`
        : `${count(workers.total, "worker runs", "workers run")} on ${count(hosts.length, "machine")}, ${workers.busy} of them busy.`}</p>
    ${workers.rows.length > 0 && html`<${ScrollBox} label="Training workers">
      <table class="now-table">
        <thead><tr><th scope="col">Worker</th><th scope="col">State</th><th scope="col">Started</th><th scope="col">Last heard</th></tr></thead>
        <tbody>${workers.rows.map((worker) => html`<tr key=${worker.name}>
          <th scope="row"><bdi>${worker.host}</bdi><div class="now-detail">process ${worker.pid}</div></th>
          <td><${Status} kind=${worker.state === "busy" ? "busy" : "good"}>${worker.state || "starts"}</${Status}></td>
          <td><${Ago} at=${worker.started} /></td>
          <td><${Ago} at=${worker.heard} /></td>
        </tr>`)}</tbody>
      </table>
    </${ScrollBox}>`}
  </section>`;
}
