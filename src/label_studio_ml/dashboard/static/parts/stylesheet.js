/** Styles of a view, loaded with it. */

const added = new Map();

/** Load `styles/NAME.css` once, and return a promise that is fulfilled when it applies, or cannot be loaded. */
export function useStyles(name) {
  if (!added.has(name)) {
    const element = document.createElement("link");
    element.rel = "stylesheet";
    element.href = `dashboard/static/styles/${name}.css`;
    added.set(name, new Promise((resolve) => {
      element.onload = element.onerror = resolve;
    }));
    document.head.append(element);
  }
  return added.get(name);
}
