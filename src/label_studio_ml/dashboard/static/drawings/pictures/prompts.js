/** Prompts for interactive models: key points and boxes that a person makes on the picture, or types. */

import { html, useState } from "../../lib/html.js";

/** Tags whose regions can be made here, and the shape of each. */
const SHAPES = { keypoint: "point", keypointlabels: "point", rectangle: "box", rectanglelabels: "box" };
/** The least pixels of the screen that a box has in both directions: less is a click. */
const LEAST = 4;

const typeOf = (control) => String(control.tag).toLowerCase();

function attribute(control, name) {
  const entry = Object.entries(control.attributes ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return entry ? String(entry[1]) : "";
}

/**
 * Return the controls that a person can make prompts with: the smart ones, or all if none is smart.
 * @param {Array<object>} controls
 */
export function promptControls(controls) {
  const fitting = controls.filter((control) => SHAPES[typeOf(control)]);
  const smart = fitting.filter((control) => attribute(control, "smart").toLowerCase() === "true");
  return smart.length ? smart : fitting;
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return btoa(String.fromCharCode(...bytes)).replace(/[^A-Za-z0-9]/g, "").slice(0, 10);
}

/**
 * Return a prompt in Label Studio's format.
 * @param {object} prompt `control`, `label` ("" for none), `positive`, `value` (x and y, for boxes also width and height,
 *   in percent), `objectName`, `size` of the picture in pixels, `index` among several pictures or null
 */
export function promptItem({ control, label, positive, value, objectName, size, index }) {
  const type = typeOf(control);
  const item = {
    id: newId(),
    type,
    from_name: control.name,
    to_name: objectName,
    original_width: size.width,
    original_height: size.height,
    image_rotation: 0,
    origin: "manual",
    is_positive: positive,
    value: { ...value },
  };
  if (SHAPES[type] === "point") {
    const stroke = Number.parseFloat(attribute(control, "strokeWidth"));
    item.value.width = ((Number.isFinite(stroke) ? stroke : 2) / size.width) * 100;
  } else {
    item.value.rotation = 0;
  }
  if (label) {
    item.value[type] = [label];
    if (attribute(control, "smart").toLowerCase() === "true") item.value.labels = [label];
  }
  if (index !== null) item.item_index = index;
  return item;
}

const within = (value) => Math.min(100, Math.max(0, value));

/** Return where a pointer is, in percent of the picture. */
function percentAt(event) {
  const place = event.currentTarget.getBoundingClientRect();
  return {
    x: within(((event.clientX - place.left) / place.width) * 100),
    y: within(((event.clientY - place.top) / place.height) * 100),
  };
}

const boxBetween = (one, other) => ({
  x: Math.min(one.x, other.x),
  y: Math.min(one.y, other.y),
  width: Math.abs(one.x - other.x),
  height: Math.abs(one.y - other.y),
});

/**
 * Return what is needed to draw prompts on a picture: the handlers of pointer events, and the box being drawn.
 * @param {"point" | "box" | null} shape
 * @param {(value: object) => void} onValue called with x and y, for boxes also width and height, in percent
 */
export function usePointer(shape, onValue) {
  const [draft, setDraft] = useState(null);
  if (!shape) return { pointer: null, draft: null };
  const pointer = {
    onPointerDown: (event) => {
      event.preventDefault();
      event.currentTarget.setPointerCapture(event.pointerId);
      const at = percentAt(event);
      setDraft({ start: at, end: at, from: [event.clientX, event.clientY] });
    },
    onPointerMove: (event) => draft && setDraft({ ...draft, end: percentAt(event) }),
    onPointerCancel: () => setDraft(null),
    onPointerUp: (event) => {
      if (!draft) return;
      setDraft(null);
      const moved = [event.clientX - draft.from[0], event.clientY - draft.from[1]].map(Math.abs);
      if (shape === "point") onValue(percentAt(event));
      else if (Math.min(...moved) >= LEAST) onValue(boxBetween(draft.start, percentAt(event)));
    },
  };
  return { pointer, draft: draft && shape === "box" ? boxBetween(draft.start, draft.end) : null };
}

/**
 * The choice of tool and label, and number fields for those who do not use a pointer.
 * @param {object} props
 * @param {Array<object>} props.controls from `promptControls`
 * @param {object} props.choice `{control, label, positive}`
 * @param {(choice: object) => void} props.onChoice
 * @param {(value: object) => void} props.onValue called with x and y, for boxes also width and height, in percent
 */
export function PromptTools({ controls, choice, onChoice, onValue }) {
  const isBox = SHAPES[typeOf(choice.control)] === "box";
  const choose = (event) => {
    const control = controls.find((each) => each.name === event.target.value);
    onChoice({ ...choice, control, label: control.labels?.[0]?.value ?? "" });
  };
  return html`<fieldset class="picture-prompt">
    <legend>Ask the model</legend>
    <p>${isBox ? "Drag a box on the picture, or type its place." : "Click on the picture, or type a place."}</p>
    <div class="toolbar">
      <label>Tool <select value=${choice.control.name} onChange=${choose}>
        ${controls.map((control) => html`<option key=${control.name} value=${control.name}>
          ${SHAPES[typeOf(control)] === "box" ? "Box" : "Point"} (${control.name})
        </option>`)}
      </select></label>
      ${choice.control.labels?.length > 0 && html`<label>Label
        <select value=${choice.label} onChange=${(event) => onChoice({ ...choice, label: event.target.value })}>
          ${choice.control.labels.map(({ value }) => html`<option key=${value} value=${value}>${value}</option>`)}
        </select></label>`}
      <label>Meaning
        <select value=${choice.positive ? "inside" : "outside"}
          onChange=${(event) => onChoice({ ...choice, positive: event.target.value === "inside" })}>
          <option value="inside">belongs to the object</option>
          <option value="outside">does not belong to it</option>
        </select></label>
    </div>
    <${PlaceForm} isBox=${isBox} onValue=${onValue} />
  </fieldset>`;
}

const FIELDS = [["x", "From left (%)", 50], ["y", "From top (%)", 50], ["width", "Width (%)", 20], ["height", "Height (%)", 20]];

function PlaceForm({ isBox, onValue }) {
  const fields = isBox ? FIELDS : FIELDS.slice(0, 2);
  const submit = (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const value = {};
    for (const [name] of fields) value[name] = Number(data.get(name));
    if (isBox) {
      value.width = Math.min(value.width, 100 - value.x);
      value.height = Math.min(value.height, 100 - value.y);
    }
    onValue(value);
  };
  return html`<form class="picture-place" onSubmit=${submit}>
    ${fields.map(([name, words, initial]) => html`<label key=${name}>${words}
      <input name=${name} type="number" min="0" max="100" step="any" required value=${initial} /></label>`)}
    <button type="submit" class="small secondary">Ask with this ${isBox ? "box" : "point"}</button>
  </form>`;
}

/** Return the shape of the tool of a choice: "point", "box", or null without a choice. */
export function shapeOf(choice) {
  return choice ? SHAPES[typeOf(choice.control)] : null;
}
