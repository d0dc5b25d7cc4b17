// The dialog in which people choose the part of a picture to ask with: dragged over it, or moved by the arrow
// keys and resized by them with Shift.

import { at } from "/web/common.js";

const LEAST = 0.03; // share of a side: less is a click
const STEP = 0.02;
const MIDDLE = [0.25, 0.25, 0.5, 0.5];

let region = MIDDLE; // left, upper, width and height, as shares of the picture
let from = null; // where a drag began

const within = (value, least, most) => Math.min(Math.max(value, least), most);

function show() {
  const [x, y, width, height] = region;
  const box = at("region-box");
  Object.assign(box.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * width}%`, height: `${100 * height}%` });
  const percent = (share) => `${Math.round(100 * share)} %`;
  box.setAttribute("aria-label", `The part: from ${percent(x)} across and ${percent(y)} down, ${percent(width)} wide and ${percent(height)} high`);
}

function placeOf(event) {
  const frame = at("region-frame").getBoundingClientRect();
  return [within((event.clientX - frame.left) / frame.width, 0, 1), within((event.clientY - frame.top) / frame.height, 0, 1)];
}

function drag(event) {
  if (!from) return;
  const [x, y] = placeOf(event);
  const next = [Math.min(x, from[0]), Math.min(y, from[1]), Math.abs(x - from[0]), Math.abs(y - from[1])];
  if (next[2] < LEAST || next[3] < LEAST) return;
  region = next;
  show();
}

function press(event) {
  if (event.key === "Enter") {
    event.preventDefault(); // else it presses the button as well that the focus goes back to
    at("region-form").requestSubmit(at("region-part"));
    return;
  }
  const [right, down] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key] ?? [0, 0];
  if (!right && !down) return;
  event.preventDefault();
  const [x, y, width, height] = region;
  region = event.shiftKey
    ? [x, y, within(width + right, LEAST, 1 - x), within(height + down, LEAST, 1 - y)]
    : [within(x + right, 0, 1 - width), within(y + down, 0, 1 - height), width, height];
  show();
}

export const regionText = (part) => part.map((share) => share.toFixed(4)).join(",");

// Four shares as the address has them; null of anything else.
export function regionOf(text) {
  const shares = (text ?? "").split(",").map(Number);
  const [x, y, width, height] = shares;
  const isPart = shares.length === 4 && shares.every((each) => each >= 0 && each <= 1) && width > 0 && height > 0 && x + width <= 1.0001 && y + height <= 1.0001;
  return isPart ? shares : null;
}

// Opens the dialog over a picture; `chosen` is told the part, or null for all of it.
export function chooseRegion(source, current, chosen) {
  region = current ?? MIDDLE;
  at("region-image").src = source;
  at("region-whole").hidden = !current;
  at("region-form").onsubmit = (event) => {
    if (event.submitter?.value === "part") chosen(region);
    else if (event.submitter?.value === "whole") chosen(null);
  };
  show();
  at("region").showModal();
  at("region-box").focus();
}

const frame = at("region-frame");
frame.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  from = placeOf(event);
  frame.setPointerCapture(event.pointerId);
});
frame.addEventListener("pointermove", drag);
frame.addEventListener("pointerup", (event) => { drag(event); from = null; });
frame.addEventListener("pointercancel", () => { from = null; });
at("region-box").addEventListener("keydown", press);
