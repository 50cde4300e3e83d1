/** Files within tasks, as `data:` URLs. The page's policy lets no `fetch` read them, so they are decoded here. */

/** Return whether a value is the text of a `data:` URL. */
export function isDataUrl(value) {
  return typeof value === "string" && /^data:/i.test(value);
}

/**
 * Return the content of a `data:` URL as an ArrayBuffer. Throws an Error with the cause in words.
 * @param {string} url
 */
export function dataUrlContent(url) {
  const comma = url.indexOf(",");
  if (comma < 0) throw new Error("its data: URL has no comma");
  const body = url.slice(comma + 1);
  const isBase64 = /;base64$/i.test(url.slice(0, comma));
  try {
    const binary = isBase64 ? atob(body.replace(/\s/g, "")) : undefined;
    if (binary !== undefined) return Uint8Array.from(binary, (sign) => sign.charCodeAt(0)).buffer;
  } catch {
    throw new Error("its data: URL is not valid base64");
  }
  return percentDecoded(body);
}

function percentDecoded(text) {
  const bytes = new TextEncoder().encode(text);
  const decoded = new Uint8Array(bytes.length);
  let length = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    const code = bytes[index] === 0x25 ? parseInt(String.fromCharCode(bytes[index + 1], bytes[index + 2]), 16) : NaN;
    if (Number.isNaN(code)) {
      decoded[length] = bytes[index];
    } else {
      decoded[length] = code;
      index += 2;
    }
    length += 1;
  }
  return decoded.slice(0, length).buffer;
}
