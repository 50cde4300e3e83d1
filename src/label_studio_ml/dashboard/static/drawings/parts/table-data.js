/** Columns of a time series: from CSV or JSON, with names or without. */

const SEPARATORS = { tab: "\t", "\\t": "\t", space: " ", comma: ",", dot: ".", auto: "auto" };

/**
 * Read the columns of a time series.
 * @param {unknown} data an object with a list for each column, a list of objects, or the text of a JSON or CSV file
 * @param {string} separator of CSV; "auto" to find it, "" for a comma
 * @returns {{names: string[], columns: Array<unknown[]>, problem?: string}}
 */
export function readColumns(data, separator) {
  const value = typeof data === "string" ? parsed(data) : data;
  if (typeof value === "string") return readCsv(value, separator);
  if (Array.isArray(value) && value.length && value.every((row) => row && typeof row === "object")) {
    const names = Object.keys(value[0]);
    return { names, columns: names.map((name) => value.map((row) => row[name])) };
  }
  if (value && typeof value === "object" && !Array.isArray(value)) {
    const names = Object.keys(value).filter((name) => Array.isArray(value[name]));
    if (names.length) return { names, columns: names.map((name) => value[name]) };
  }
  return { names: [], columns: [], problem: "The time series cannot be read: it has no columns of values." };
}

function parsed(text) {
  if (!/^\s*[{[]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Read CSV. A first row whose cells are numbers exactly where those of the second row are is no header: the names of the
 * columns are "0", "1", … then.
 */
export function readCsv(text, separator) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).filter((line) => line.trim());
  if (!lines.length) return { names: [], columns: [], problem: "The time series is empty." };
  const named = SEPARATORS[separator] ?? (separator || ",")[0];
  const mark = named === "auto" ? separatorOf(lines[1] ?? lines[0]) : named;
  if (!mark || !lines[0].includes(mark))
    return { names: [], columns: [], problem: `The time series cannot be read: its first row has no separator ${JSON.stringify(mark)}.` };
  const first = cells(lines[0], mark);
  const second = cells(lines[1] ?? "", mark);
  const headless = lines.length < 2 || first.every((cell, index) => Number.isNaN(Number(cell)) === Number.isNaN(Number(second[index])));
  const names = headless ? first.map((_, index) => String(index)) : first;
  const columns = names.map(() => []);
  for (const line of headless ? lines : lines.slice(1)) {
    const row = cells(line, mark);
    names.forEach((_, index) => columns[index].push(cellValue(row[index])));
  }
  return { names, columns };
}

function separatorOf(line) {
  return /[,;\t ]/.exec(line.trim())?.[0];
}

function cellValue(cell) {
  if (cell === undefined || cell === "") return null;
  const number = Number(cell);
  return Number.isNaN(number) ? cell : number;
}

/** Return the cells of a row; a cell in quotation marks may have the separator, and doubled quotation marks, in it. */
export function cells(line, separator) {
  if (!line.includes('"')) return line.split(separator).map((cell) => cell.trim());
  const row = [];
  let [cell, quoted] = ["", false];
  for (let index = 0; index < line.length; index++) {
    const character = line[index];
    if (quoted && character === '"' && line[index + 1] === '"') {
      cell += '"';
      index++;
    } else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      row.push(cell);
      cell = "";
    } else cell += character;
  }
  return [...row, cell].map((one) => one.trim());
}

/** Return the index of a column by its name, in any case, or by its number; -1 if there is none. */
export function columnIndex(names, wanted) {
  const name = String(wanted).toLowerCase();
  const found = names.findIndex((one) => one.toLowerCase() === name);
  if (found >= 0) return found;
  return /^\d+$/.test(name) && Number(name) < names.length ? Number(name) : -1;
}
