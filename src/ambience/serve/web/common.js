// What the pages share: elements, words for figures, and talking to the server with a key where it asks for one.

export const NAMES = {
  same_file: ["Same file", "same"],
  same_picture: ["Same picture", "same"],
  edited: ["Edited", "changed"],
  part: ["Part of it", "changed"],
  same_scene: ["Same scene", ""],
  look_alike: ["Looks alike", ""],
  same_colors: ["Same colors", "color"],
  same_words: ["Fits the words", ""],
};

export const at = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const plural = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

export function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const unit = bytes < 1e6 ? ["kB", 1e3] : ["MB", 1e6];
  const value = bytes / unit[1];
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)}\u00a0${unit[0]}`;
}

export function sizeText(image) {
  const parts = [];
  if (image.width && image.height) parts.push(`${image.width}\u00a0×\u00a0${image.height}`);
  if (image.format) parts.push(image.format.toUpperCase());
  if (image.size) parts.push(bytesText(image.size));
  return parts.join(" · ");
}

export function orientationText({ rotation, mirrored }) {
  const turn = rotation === 180 ? "180°" : rotation === 90 ? "90° ↺" : rotation === 270 ? "90° ↻" : "";
  if (mirrored && rotation === 180) return "Upside-down mirrored";
  if (mirrored) return turn ? `Mirrored, rotated ${turn}` : "Mirrored";
  return turn ? `Rotated ${turn}` : "";
}

// --- talking to the server

export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const said = isJson ? await response.json() : null;
  if (response.status === 401 && path !== LOGIN) askForKey(said);
  if (!response.ok) throw new Error((said && said.detail) || `The server answered ${response.status}.`);
  return said;
}

// --- the key, where the server asks for one; scripts cannot read the cookie that it is kept in

const LOGIN = "/v1/login";
const HAS_KEY = "ambience-has-key";

function askForKey(said) {
  localStorage.removeItem(HAS_KEY);
  if (!at("login").open) at("login").showModal();
  at("login-error").textContent = said?.code === "key_invalid" ? said.detail : "";
  at("login-error").hidden = !at("login-error").textContent;
}

async function logIn(event) {
  event.preventDefault();
  const body = JSON.stringify({ key: at("login-key").value });
  try {
    await ask(LOGIN, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    localStorage.setItem(HAS_KEY, "1");
    location.reload();
  } catch (error) {
    at("login-error").textContent = error.message;
    at("login-error").hidden = false;
  }
}

async function logOut() {
  await ask("/v1/logout", { method: "POST" }).catch(tellError);
  localStorage.removeItem(HAS_KEY);
  location.reload();
}

export function tellError(error) {
  if (error.name === "AbortError") return;
  at("error").textContent = error.message;
  at("error").hidden = false;
}

export function wireKey() {
  at("login-form").addEventListener("submit", logIn);
  at("login").addEventListener("cancel", (event) => event.preventDefault()); // nothing works without a key
  at("logout").addEventListener("click", logOut);
  at("logout").hidden = !localStorage.getItem(HAS_KEY);
}
