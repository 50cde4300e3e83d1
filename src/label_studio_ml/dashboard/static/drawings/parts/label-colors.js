/** Colours of labels: those of the label config, and colours of a palette for labels without one. */

/** Colours that are told apart in the dark and in the light design. */
const PALETTE = [
  "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8b5cf6", "#b45309",
  "#0f766e", "#be123c", "#4d7c0f", "#7c3aed",
];
/** Colour of a region without a label. */
const NO_LABEL = "#8a8f98";

let context = null;

/**
 * Return the red, green and blue (0 to 255) of a CSS colour, null if the text is none.
 * @param {string} color
 * @returns {number[] | null}
 */
export function rgb(color) {
  if (typeof color !== "string" || color.length > 60 || !CSS.supports("color", color)) return null;
  context ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = "#000";
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** Return a colour mixed with white: `share` of the colour, from 0 to 1. Black text can be read on a share below 0.5. */
export function tint(color, share) {
  const [red, green, blue] = (rgb(color) ?? rgb(NO_LABEL)).map((part) => Math.round(255 - (255 - part) * share));
  return `rgb(${red}, ${green}, ${blue})`;
}

/** Return a CSS colour with an opacity from 0 to 1. */
export function translucent(color, opacity) {
  const [red, green, blue] = rgb(color) ?? rgb(NO_LABEL);
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

/**
 * Return a function that gives the CSS colour of a label.
 * @param {Array<{labels?: Array<{value: string, background?: string}>}>} controls control tags with their labels
 * @returns {(label: string | undefined) => string}
 */
export function labelColors(controls) {
  const colors = new Map();
  let next = 0;
  const add = (label, background) => {
    const given = background && rgb(background) ? background : null;
    colors.set(label, given ?? PALETTE[next++ % PALETTE.length]);
  };
  for (const control of controls ?? [])
    for (const { value, background } of control.labels ?? []) if (!colors.has(value)) add(value, background);
  return (label) => {
    if (label === undefined || label === null || label === "") return NO_LABEL;
    if (!colors.has(label)) add(label);
    return colors.get(label);
  };
}
