import { html } from "../../lib/html.js";
import { number, percent } from "../../lib/format.js";
import { ScrollBox } from "../../parts/scroll-box.js";
import { ShortText, visible } from "../../parts/short-text.js";

/** Number of shades of a cell, beside none. */
const SHADES = 5;

/** A confusion matrix as a table: rows are annotated labels, columns predicted ones; the shade is the share of the row. */
export function ConfusionTable({ confusion, name }) {
  const { labels, matrix } = confusion;
  return html`<h4>Confusion matrix</h4>
    <p class="confusion-hint">Rows: annotated. Columns: predicted. The stronger the colour of a cell, the larger its share of the row; right predictions are framed.</p>
    <${ScrollBox} label=${`Confusion matrix of ${name}`}>
      <table class="confusion">
        <thead><tr><th scope="col">annotated \\ predicted</th>
          ${labels.map((label) => html`<th scope="col" class="number"><${CutLabel} label=${label} /></th>`)}
          <th scope="col" class="number">all</th></tr></thead>
        <tbody>${matrix.map((cells, row) => html`<${Row} key=${row} label=${labels[row]} cells=${cells} labels=${labels} row=${row} />`)}</tbody>
      </table>
    </${ScrollBox}>
    ${confusion.label_count > labels.length && html`<p>The ${number(labels.length - 1)} most frequent of ${number(confusion.label_count)} labels; the others are added up.</p>`}`;
}

function Row({ label, cells, labels, row }) {
  const total = cells.reduce((sum, cell) => sum + cell, 0);
  return html`<tr>
    <th scope="row"><${ShortText} text=${label} most=${100} /></th>
    ${cells.map((cell, column) => {
      const share = total ? cell / total : 0;
      const shade = cell ? Math.max(1, Math.ceil(share * SHADES)) : 0;
      const words = `annotated ${visible(label)}, predicted ${visible(labels[column])}: ${cell} of ${total} (${percent(share)})`;
      return html`<td class=${`number shade-${shade}${row === column ? " right" : ""}`} title=${words}>${number(cell)}</td>`;
    })}
    <td class="number">${number(total)}</td>
  </tr>`;
}

/** A label of a column, cut by the style; the whole label is its title, and the row of the same number has it in full. */
function CutLabel({ label }) {
  return html`<bdi class="cut-label" title=${visible(label)}>${visible(label)}</bdi>`;
}
