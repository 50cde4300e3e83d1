/**
 * Attributes in the source of an HTML page that a browser reports as violations of the dashboard's security policy as soon
 * as it parses them, although nothing comes of them: they are renamed before. What this reader of tags does not see as the
 * browser does is reported, and has no effect either.
 */

/** The name that a `style` attribute gets. */
export const STYLE = "data-page-style";
/** Elements whose content is text, not markup. */
const RAW = /^(?:script|style|title|textarea|xmp|iframe|noembed|noframes)$/i;

/**
 * Return the source with `style` attributes renamed and those of event handlers (`on…`) taken out of effect.
 * @param {string} source
 */
export function neutralised(source) {
  const parts = [];
  let done = 0;
  const tags = /<!--|<\/?[a-z][^\s/>]*/gi;
  for (let tag = tags.exec(source); tag; tag = tags.exec(source)) {
    if (tag[0] === "<!--") {
      tags.lastIndex = after(source, "-->", tags.lastIndex);
      continue;
    }
    parts.push(source.slice(done, tags.lastIndex));
    done = endOfTag(source, tags.lastIndex);
    parts.push(renamed(source.slice(tags.lastIndex, done)));
    const name = tag[0].slice(1);
    tags.lastIndex = RAW.test(name) ? endOfRaw(source, name, done) : done;
  }
  return parts.join("") + source.slice(done);
}

function after(source, text, from) {
  const at = source.indexOf(text, from);
  return at < 0 ? source.length : at + text.length;
}

/** Return the index after the tag's last character. A `>` in quotation marks after a `=` does not end it. */
function endOfTag(source, from) {
  let quote = "";
  for (let index = from; index < source.length; index++) {
    const character = source[index];
    if (quote) {
      if (character === quote) quote = "";
    } else if (character === ">") return index + 1;
    else if ((character === '"' || character === "'") && /=\s*$/.test(source.slice(Math.max(from, index - 8), index))) quote = character;
  }
  return source.length;
}

function endOfRaw(source, name, from) {
  const end = new RegExp(`</${name}(?=[\\s/>])`, "gi");
  end.lastIndex = from;
  return end.exec(source)?.index ?? source.length;
}

/** Rename attributes in the rest of a tag. Values in quotation marks are left as they are. */
function renamed(attributes) {
  return attributes.replace(/=\s*"[^"]*"|=\s*'[^']*'|=\s*[^\s>"']+|[^\s/>="']+/g, (found) => {
    if (found.startsWith("=")) return found;
    if (/^style$/i.test(found)) return STYLE;
    return /^on/i.test(found) ? `data-page-${found}` : found;
  });
}
