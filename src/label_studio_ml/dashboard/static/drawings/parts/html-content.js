/**
 * The content of an HTML page from a task, without anything that runs, loads or leaves the frame that shows it.
 *
 * The page is parsed into a document that is never shown: no script runs in it, and it loads nothing. What is shown is a
 * copy of its elements, made one by one, with the attributes of a list only.
 */

import { STYLE, neutralised } from "./html-attributes.js";

/** Elements that are left out with their content, as the editor leaves them out before it counts offsets. */
const REMOVED = "script, iframe";
/** Elements whose texts the editor leaves out. */
const TEXTLESS = "textarea, option, noscript";
/** Elements that are not copied; their texts are. */
const REPLACED = new Set([
  "style", "link", "meta", "base", "object", "embed", "applet", "frame", "frameset", "portal", "template", "form",
  "input", "button", "select", "video", "audio", "source", "track", "canvas", "title", "slot", "dialog",
]);
const ATTRIBUTES = new Set([
  "class", "id", "dir", "lang", "title", "alt", "colspan", "rowspan", "align", "valign", "width", "height", "border",
  "cellpadding", "cellspacing", "start", "type", "value", "open", "bgcolor", "color", "face", "size", "nowrap",
  "headers", "scope", "reversed",
]);
/** Parts of style sheets that load files, or may be written so that they do. */
const LOADING = /url\(|image-set\(|@import|src\(|\\/i;
const XHTML = "http://www.w3.org/1999/xhtml";

/**
 * Parse a page as the editor counts its text: scripts and comments are cut out before.
 * @param {string} source
 * @returns {HTMLElement} the `<html>`, which is in no document
 */
export function parsePage(source) {
  // Not with a DOMParser, and not in the document: the browser would report each `<style>` as a violation of the policy.
  const inert = document.implementation.createHTMLDocument("");
  const page = inert.createElement("html");
  page.innerHTML = neutralised(source);
  for (const element of page.querySelectorAll(REMOVED)) element.remove();
  for (const element of page.querySelectorAll(TEXTLESS)) element.textContent = "";
  const comments = inert.createTreeWalker(page, NodeFilter.SHOW_COMMENT);
  const found = [];
  while (comments.nextNode()) found.push(comments.currentNode);
  for (const comment of found) comment.remove();
  page.normalize();
  return page;
}

/** Return the body of a page from `parsePage`. A page of frames has none. */
export function bodyOf(page) {
  return page.querySelector("body") ?? page;
}

/**
 * Copy the body of a parsed page into a document.
 *
 * @param {HTMLElement} page from `parsePage`
 * @param {Document} target the document of the frame
 * @returns {{fragment: DocumentFragment, textNodes: Map<Text, Text>, styles: string[], blocked: number}} `textNodes` has
 * the copy of each text node, `styles` the texts of style sheets that load nothing, `blocked` how many things that would
 * load something were left out
 */
export function copyBody(page, target) {
  const copy = { fragment: target.createDocumentFragment(), textNodes: new Map(), styles: [], blocked: 0 };
  for (const { textContent } of page.querySelectorAll("style")) {
    if (LOADING.test(textContent)) copy.blocked++;
    else copy.styles.push(textContent);
  }
  copy.blocked += page.querySelectorAll("link[href], object, embed, video, audio").length;
  copyChildren(bodyOf(page), copy.fragment, target, copy);
  return copy;
}

/** Copy child nodes. Not by recursion: a page may have elements within elements a hundred thousand deep. */
function copyChildren(source, destination, target, copy) {
  const open = [[source.firstChild, destination]];
  while (open.length) {
    const [node, parent] = open.pop();
    if (!node) continue;
    open.push([node.nextSibling, parent]);
    if (node.nodeType === Node.TEXT_NODE) {
      const text = target.createTextNode(node.data);
      copy.textNodes.set(node, text);
      parent.append(text);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      const element = copyElement(node, target, copy);
      // Elements deeper than this are put beside each other: browsers cannot lay out more.
      const into = open.length > 400 ? parent : element;
      parent.append(element);
      open.push([node.firstChild, into]);
    }
  }
}

function copyElement(node, target, copy) {
  const name = node.localName;
  const plain = node.namespaceURI !== XHTML || REPLACED.has(name) || !/^[a-z][a-z0-9-]*$/.test(name);
  const element = target.createElement(plain ? "span" : name);
  for (const { name: attribute, value } of node.attributes) {
    if (ATTRIBUTES.has(attribute)) element.setAttribute(attribute, value);
    else if (attribute === STYLE) copyStyle(value, element, copy);
    else if (attribute === "src" || attribute === "srcset" || attribute === "background") {
      if (name === "img" && attribute === "src" && /^data:image\//i.test(value)) element.src = value;
      else copy.blocked++;
    }
  }
  if (name === "style" || name === "title" || name === "template") element.hidden = true;
  return element;
}

function copyStyle(value, element, copy) {
  if (LOADING.test(value)) copy.blocked++;
  else element.style.cssText = value;
}
