// The page: ask with a picture (dropped, pasted, chosen, or one of the library), with words, or with both, and
// see what it is a copy of, what looks like it, and what fits the words.
// Everything goes through /v1 of the same server; text from the server is only ever set as text.

import { NAMES, ask, at, element, orientationText, plural, sizeText, tellError, wireKey } from "/web/common.js";
import { chooseRegion, regionOf, regionText } from "/web/region.js";

const RECENT_PAGE = 40;
const MOST_HITS = 60;
const NARROW = "(max-width: 560px)"; // as in app.css
const LOOSE = ["look_alike", "same_colors", "same_words"]; // no copy and no part
const TABS = {
  copies: { fields: {}, keeps: (match) => !LOOSE.includes(match.verdict), none: "No copy and no part of this picture is in the library.", what: ["match", "matches"] },
  looks: { fields: { by: "" }, keeps: () => true, none: "No picture in the library looks like this one.", what: ["picture that looks alike", "pictures that look alike"] },
  colors: { fields: { by: "color" }, keeps: () => true, none: "No picture of these colors is in the library.", what: ["picture of the same colors", "pictures of the same colors"] },
  words: { fields: {}, keeps: () => true, none: "Nothing in the library fits these words.", what: ["picture", "pictures"] },
};

const state = { query: null, tab: "copies", answers: {}, running: null, asked: 0, next: null, preview: null, note: "" };

const wordsOf = (match) => match.evidence.find((each) => each.kind === "text")?.words ?? [];

// The words that were found, as they stand in the picture: each once.
const foundText = (match) => [...new Set(wordsOf(match).map((each) => each.found))].join(", ");

const proofOf = (match) => match.evidence.find((each) => each.geometry)?.geometry ?? null;

const percentText = (share) => `${share > 0 && share < 0.01 ? (100 * share).toPrecision(1) : Math.round(100 * share)}\u00a0%`;

// What a hit is, in a word or two, and how much of it: "Part of it, 15 %".
function verdictText(match) {
  const [words] = NAMES[match.verdict] || [match.verdict.replaceAll("_", " ")];
  const proof = match.verdict === "part" ? proofOf(match) : null;
  if (proof?.relation === "within") return `Part of it, ${percentText(proof.image_overlap)}`;
  if (proof?.relation === "around") return `Within yours, ${percentText(proof.query_overlap)}`;
  if (proof?.relation === "across") return `Shares ${percentText(proof.image_overlap)}`;
  return words;
}

function turnText(match) {
  const proof = proofOf(match);
  if (!proof) return orientationText(match.orientation);
  const turn = Math.round(proof.turn_deg);
  const turned = Math.abs(turn) < 2 ? "" : `${Math.abs(turn)}°${Math.abs(turn) === 180 ? "" : turn > 0 ? " ↺" : " ↻"}`;
  if (proof.is_mirrored) return turned ? `Mirrored, rotated ${turned}` : "Mirrored";
  return turned ? `Rotated ${turned}` : "";
}

function clearNotices() {
  at("error").hidden = true;
  at("notice").hidden = true;
}

// --- asking

const hasWords = (query) => Boolean(query.text || query.minus);

// Tabs of a question: words have one answer, a picture as many as there are ways to be like it.
const tabsOf = (query) => Object.keys(TABS).filter((tab) => (query && hasWords(query)) === (tab === "words"));

async function answerFor(tab) {
  const { query } = state;
  const form = new FormData();
  if (query.file) form.append("image", query.file, query.file.name || "pasted picture");
  if (query.imageId !== undefined) form.append("image_id", query.imageId);
  if (query.text) form.append("text", query.text);
  if (query.minus) form.append("minus", query.minus);
  if (query.region) form.append("region", regionText(query.region));
  form.append("exclude_self", "true");
  form.append("k", MOST_HITS);
  for (const [name, value] of Object.entries(TABS[tab].fields)) form.append(name, value);
  return ask("/v1/search", { method: "POST", body: form, signal: state.running.signal });
}

async function search(query) {
  state.running?.abort();
  state.asked += 1;
  const running = new AbortController();
  const [tab] = tabsOf(query);
  Object.assign(state, { query, tab, answers: {}, running });
  clearNotices();
  showQuery();
  selectTab(tab);
  at("recent").hidden = true;
  at("results").hidden = false;
  await fill(tab, running);
}

async function fill(tab, running) {
  at("hits").replaceChildren(element("p", { class: "waiting" }, "Looking through the library…"));
  try {
    state.answers[tab] ??= await answerFor(tab);
    if (state.running === running && state.tab === tab) showHits(tab);
  } catch (error) {
    if (error.name !== "AbortError") {
      at("hits").replaceChildren();
      at("results").hidden = tab === tabsOf(state.query)[0]; // what failed for the picture itself has no results at all
    }
    tellError(error);
  }
}

function askWithFile(file) {
  if (!file) return;
  if (file.type && !file.type.startsWith("image/")) {
    tellError(new Error(`“${file.name}” is no picture (${file.type}).`));
    return;
  }
  if (location.search) history.pushState({}, "", "/");
  clearWords();
  search({ file, picture: file.name || "pasted picture", preview: URL.createObjectURL(file) });
}

// Words beside the picture that is asked with, or alone.
function askWithWords() {
  const text = at("text").value.trim(), minus = at("minus").value.trim();
  const { file, imageId, picture, preview, region } = state.query ?? {};
  if (!text && !picture) {
    if (minus) tellError(new Error("Say also what to look for: “without” takes away from that."));
    at("text").focus();
    return;
  }
  askAgain({ file, imageId, picture, preview, region, text, minus });
}

function askAgain(query) {
  const { file, imageId, text, minus, region } = query;
  if (!file) {
    const given = { id: imageId, text, minus, region: region ? regionText(region) : "" };
    const asked = new URLSearchParams(Object.entries(given).filter(([, value]) => value !== undefined && value !== ""));
    if (location.search !== `?${asked}`) history.pushState({}, "", `/?${asked}`);
  }
  search(query);
}

function askWithPart() {
  const { query } = state;
  const large = query.imageId === undefined ? query.preview : `${query.preview}&size=1024`;
  chooseRegion(large, query.region, (region) => askAgain({ ...query, region }));
}

function clearWords() {
  at("text").value = at("minus").value = "";
}

async function askWithImage(imageId, { push = true, text = "", minus = "", region = null } = {}) {
  at("large").close();
  const mine = (state.asked += 1);
  try {
    const image = await ask(`/v1/images/${imageId}`);
    if (mine !== state.asked) return; // something else was asked meanwhile
    if (push) history.pushState({}, "", `/?id=${imageId}`);
    [at("text").value, at("minus").value] = [text, minus];
    scrollTo({ top: 0 });
    await search({ imageId, picture: image.name || `picture ${imageId}`, preview: image.thumbnail, region, text, minus });
  } catch (error) {
    tellError(error);
  }
}

function startOver() {
  state.running?.abort();
  state.asked += 1;
  Object.assign(state, { query: null, answers: {} });
  clearNotices();
  clearWords();
  showQuery();
  at("results").hidden = true;
  showRecent();
}

// --- showing

// “dog on a beach”, without “snow”; cut.jpg and “at night”.
function nameOf({ picture, region, text, minus }) {
  const wanted = [picture && (region ? `a part of ${picture}` : picture), text && `“${text}”`].filter(Boolean).join(" and ");
  return minus ? `${wanted}, without “${minus}”` : wanted;
}

function showQuery() {
  const { query } = state;
  if (query) query.name = nameOf(query);
  at("ask").classList.toggle("asked", query !== null);
  at("clear").hidden = query === null;
  at("preview").hidden = !query?.preview;
  at("preview").classList.remove("broken");
  at("choose-part").hidden = !query?.preview;
  at("preview-part").hidden = !query?.region;
  if (query?.region) {
    const [x, y, width, height] = query.region.map((share) => `${100 * share}%`);
    Object.assign(at("preview-part").style, { left: x, top: y, width, height });
  }
  if (state.preview?.startsWith("blob:") && state.preview !== query?.preview) URL.revokeObjectURL(state.preview);
  state.preview = query?.preview ?? null;
  if (query?.preview) at("preview-image").src = query.preview;
  else at("preview-image").removeAttribute("src");
  const takesWords = !at("words").hidden;
  at("ask-title").textContent = query ? query.name : takesWords ? "Find pictures by words, or by a picture" : "Find copies and crops of a picture";
  at("ask-title").title = query ? query.name : "";
  at("text").placeholder = query?.picture ? "add words: at night" : "dog on a beach";
  if (!query) at("ask-hint").textContent = takesWords ? "Or drop a picture here, paste it with Ctrl+V, or" : "Drop it here, paste it with Ctrl+V, or";
  else at("ask-hint").textContent = query.picture ? "Drop or paste another picture, or" : "Drop or paste a picture, or";
  at("words-note").hidden = !state.note || (query !== null && !hasWords(query)); // no matter of a picture alone
  document.title = query ? `${query.name} – Ambience` : "Ambience";
}

function shot(image, label) {
  const button = element("button", { class: "shot", type: "button", "aria-label": label });
  if (image.thumbnail) {
    const picture = element("img", { src: image.thumbnail, alt: "", loading: "lazy", decoding: "async" });
    picture.addEventListener("error", () => { picture.remove(); button.classList.add("gone"); });
    button.append(picture);
  } else button.classList.add("gone");
  return button;
}

// Where the query lies in a hit: drawn over its thumbnail, in pixels of its file. The frame of the drawing is
// fitted into the box just as the thumbnail is.
const SVG = "http://www.w3.org/2000/svg";

function outlined(match) {
  const { image } = match;
  if (!image.width || !image.height) return [];
  const lines = new Map(wordsOf(match).map(({ line }) => [JSON.stringify(line.quad), line.quad.map(([x, y]) => [x * image.width, y * image.height])]));
  if (lines.size) return [...lines.values()];
  const proof = proofOf(match);
  return proof && proof.image_overlap <= 0.97 ? [proof.query_in_image] : [];
}

function outline(match) {
  const { image } = match;
  const shapes = outlined(match).map((quad) => quad.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  if (!shapes.length) return null;
  const drawn = (tag, attributes) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const { width, height } = image;
  const svg = drawn("svg", { class: "outline", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const frame = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, overflow: "hidden" });
  const holes = shapes.map((corners) => `M${corners.replaceAll(" ", " L")}Z`).join(" ");
  frame.append(drawn("path", { class: "dim", "fill-rule": "evenodd", d: `M0,0H${width}V${height}H0Z ${holes}` }));
  for (const points of shapes) frame.append(drawn("polygon", { class: "under", points }), drawn("polygon", { class: "edge", points }));
  svg.append(frame);
  return svg;
}

const kindName = (kind) => ({ text: "text", sha256: "same bytes", phash: "hash", color: "colors", local_features: "points", global_features: "look", image_text_features: "meaning" })[kind] || kind.replaceAll("_", " ");

function distanceText(evidence) {
  if (evidence.words?.length) return `“${[...new Set(evidence.words.map((each) => each.found))].join(", ")}”`;
  if (evidence.kind === "sha256") return "identical";
  if (evidence.geometry) return `${evidence.geometry.inliers.toLocaleString("en")} agree`;
  if (evidence.kind === "phash") return `${plural(Math.round(evidence.distance), "bit", "bits")} apart`;
  return `${Number(evidence.distance.toPrecision(2))} apart`;
}

// On a phone the number stands alone, and elsewhere there is no room for more than one word beside it.
function distanceCell(evidence) {
  const [figure, ...unit] = distanceText(evidence).replace(/(bits?) apart$/, "$1").split(" ");
  return element("td", {}, figure, unit.length ? element("span", { class: "unit" }, ` ${unit.join(" ")}`) : null);
}

function whyTable(match) {
  const rows = match.evidence.map((evidence) => {
    const row = element("tr", { class: evidence.verdict ? "matched" : "" },
      element("th", { scope: "row" }, kindName(evidence.kind)),
      distanceCell(evidence),
      element("td", {}, `${Math.round(evidence.score * 100)}\u00a0%`));
    row.title = `${evidence.kind}: distance ${evidence.distance}, rank ${evidence.rank}`;
    return row;
  });
  return element("table", { class: "why", "aria-label": "What matched: kind, distance, likeness" }, element("tbody", {}, ...rows));
}

function badges(match) {
  if (match.verdict === "same_words") { // as of every other hit, unless the words stand in the picture
    const found = foundText(match);
    return found ? element("div", { class: "badges" }, element("span", { class: "badge same", title: found }, `“${found}”`)) : null;
  }
  const [, look] = NAMES[match.verdict] || ["", ""];
  const list = [element("span", { class: `badge ${look}` }, verdictText(match))];
  const turned = match.verdict === "same_colors" ? "" : turnText(match);
  if (turned) list.push(element("span", { class: "badge changed" }, turned));
  return element("div", { class: "badges" }, ...list);
}

function hitCard(match) {
  const { image } = match;
  const picture = shot(image, `${image.name || `picture ${image.image_id}`}: ${verdictText(match)}. Show large`);
  picture.addEventListener("click", () => showLarge(image, match));
  const drawn = image.thumbnail ? outline(match) : null;
  if (drawn) picture.append(drawn);
  const proof = image.file && proofOf(match)
    ? element("button", { class: "button small", type: "button", "aria-label": `Proof: where ${state.query.name} and ${image.name || "this picture"} match`, onclick: () => showProof(match) }, "Proof")
    : null;
  return element("li", { class: "card", "data-image-id": image.image_id },
    picture,
    element("div", { class: "about" },
      badges(match),
      element("p", { class: "name", title: image.path || image.name }, image.name),
      element("p", { class: "facts" }, sizeText(image)),
      match.verdict === "same_words" ? null : whyTable(match),
      element("div", { class: "row actions" }, proof,
        element("button", { class: "button small", type: "button", onclick: () => askWithImage(image.image_id) }, "Find similar"))));
}

function showHits(tab) {
  const answer = state.answers[tab];
  const matches = answer.matches.filter(TABS[tab].keeps);
  const { what } = TABS[tab];
  const count = matches.length >= MOST_HITS ? `${matches.length}+` : matches.length;
  if (tab === "words") at("words-count").textContent = matches.length ? `The ${plural(matches.length, "picture that fits", "pictures that fit")} best` : "";
  else at(`count-${tab}`).textContent = count;
  if (matches.length) at("hits").replaceChildren(element("ul", { class: "grid" }, ...matches.map(hitCard)));
  else at("hits").replaceChildren(emptyHits(tab));
  showStatuses(answer.kinds);
  at("said").textContent = `${matches.length ? plural(matches.length, ...what) : `No ${what[1]}`} found for ${state.query.name}`;
}

function emptyHits(tab) {
  const box = element("div", { class: "empty" }, element("p", {}, TABS[tab].none));
  const other = ["looks", "colors"].find((each) => !at(`tab-${each}`).hidden);
  if (tab === "copies" && other) {
    const label = other === "looks" ? "Look for pictures that look alike" : "Look for the same colors";
    box.append(element("button", { class: "button", type: "button", onclick: () => openTab(other) }, label));
  }
  return box;
}

function showStatuses(kinds) {
  const told = [];
  for (const { kind, state: how, message, pending } of kinds) {
    const name = kindName(kind);
    if (how === "failed" || how === "late") told.push(`${name}: ${how === "late" ? "took too long" : "failed"}${message ? ` – ${message}` : ""}. Hits may be missing.`);
    else if (how === "ok" && message.replace(state.note, "")) told.push(`${name}: ${message.replace(state.note, "").replace(/; $/, "")}.`);
    else if (how === "empty") told.push(`${name}: this picture tells nothing${message ? ` – ${message}` : ""}.`);
    if (pending) told.push(`${name}: ${plural(pending, "picture is", "pictures are")} not searchable yet.`);
  }
  at("notice").hidden = told.length === 0;
  at("notice").replaceChildren(...told.map((line) => element("p", {}, line)));
}

function fact(term, value) {
  return value ? [element("dt", {}, term), element("dd", {}, value)] : [];
}

function showLarge(image, match = null) {
  at("large-title").textContent = image.name || `picture ${image.image_id}`;
  const picture = at("large-image");
  picture.alt = image.name;
  picture.src = image.thumbnail ? `${image.thumbnail}&size=1024` : "";
  picture.hidden = !image.thumbnail;
  const why = match ? match.evidence.map((each) => `${kindName(each.kind)}: ${distanceText(each)}`).join("; ") : "";
  const turned = match && match.verdict !== "same_colors" ? turnText(match) : "";
  const verdict = match ? [verdictText(match), turned].filter(Boolean).join(", ") : "";
  at("large-facts").replaceChildren(
    ...fact("Verdict", verdict), ...fact("What matched", why), ...fact("Size", sizeText(image)),
    ...fact("File", image.path), ...fact("Taken", (image.taken_at || "").replace("T", " ")),
    ...fact("Id", String(image.image_id)));
  showWordsOf(image);
  at("large-similar").onclick = () => askWithImage(image.image_id);
  at("large-file").hidden = !image.file;
  if (image.file) at("large-file").href = image.file;
  at("large").showModal();
}

// What is said of the picture in words, added to its facts as soon as it comes.
async function showWordsOf(image) {
  const facts = at("large-facts");
  facts.dataset.image = image.image_id;
  const words = await ask(`/v1/images/${image.image_id}/words`).catch(() => null);
  if (!words || facts.dataset.image !== String(image.image_id)) return; // another picture by now
  const tags = [...new Set(words.tags.map((each) => each.tag))].join(", ");
  facts.append(
    ...fact("Caption", words.captions[0]?.text), ...fact("Tags", tags),
    ...fact("Text in it", words.lines.map((line) => line.text).join("\n")));
}

// --- the proof: both pictures, each one's outline in the other, and lines between places that match

function proofWords(match) {
  const proof = proofOf(match);
  const turned = turnText(match);
  const said = [[verdictText(match), turned && turned[0].toLowerCase() + turned.slice(1)].filter(Boolean).join(", ")];
  if (proof.is_copy !== null) said.push(proof.is_copy ? "the pixels agree" : "the pixels differ: the same scene, or heavily edited");
  return `${said.join("; ")}.`;
}

async function showProof(match) {
  const { image } = match;
  const { query } = state;
  at("proof-title").textContent = `${query.name} in ${image.name || `picture ${image.image_id}`}`;
  at("proof-words").textContent = proofWords(match);
  at("proof-error").hidden = true;
  at("proof-waiting").hidden = false;
  at("proof-link").hidden = true;
  at("proof").showModal();
  try {
    const drawn = await proofPicture(query, image.image_id);
    at("proof-image").src = drawn;
    at("proof-image").alt = `Both pictures side by side, the outline of each in the other, and lines between places that match. ${proofWords(match)}`;
    at("proof-image").hidden = false;
    Object.assign(at("proof-link"), { href: drawn, hidden: false });
  } catch (error) {
    at("proof-error").textContent = error.message;
    at("proof-error").hidden = false;
  } finally {
    at("proof-waiting").hidden = true;
  }
}

async function proofPicture(query, imageId) {
  const options = {};
  if (query.file) {
    options.method = "POST";
    options.body = new FormData();
    options.body.append("image", query.file, query.name);
  }
  const path = query.file ? `/v1/images/${imageId}/matches` : `/v1/images/${query.imageId}/matches/${imageId}`;
  const asked = new URLSearchParams({ format: "jpeg", layout: matchMedia(NARROW).matches ? "below" : "auto" });
  if (query.region) asked.set("region", regionText(query.region));
  const response = await fetch(`${path}?${asked}`, options).catch(() => {
    throw new Error("The server does not answer. Is it still running?");
  });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail || `The server answered ${response.status}.`);
  return URL.createObjectURL(await response.blob());
}

function forgetProof() {
  if (at("proof-image").src.startsWith("blob:")) URL.revokeObjectURL(at("proof-image").src);
  at("proof-image").removeAttribute("src");
  at("proof-image").hidden = true;
}

// --- tabs

function selectTab(tab) {
  state.tab = tab;
  const shown = tabsOf(state.query);
  at("tabs").hidden = tab === "words";
  at("words-count").hidden = tab !== "words";
  for (const name of Object.keys(TABS)) {
    const button = at(`tab-${name}`);
    if (!button) continue;
    button.setAttribute("aria-selected", String(name === tab));
    button.tabIndex = name === tab ? 0 : -1;
    if (!state.answers[name]) at(`count-${name}`).textContent = "";
  }
  at("words-count").textContent = "";
  at("hits").setAttribute("aria-labelledby", shown.includes("words") ? "results-title" : `tab-${tab}`);
}

function openTab(tab) {
  selectTab(tab);
  at(`tab-${tab}`).focus();
  clearNotices();
  fill(tab, state.running);
}

// --- the newest pictures

async function showRecent() {
  at("recent").hidden = false;
  if (at("recent-grid").childElementCount) return;
  await moreRecent(-1);
}

async function moreRecent(after) {
  try {
    const page = await ask(`/v1/images?order=newest&limit=${RECENT_PAGE}&after=${after}`);
    state.next = page.next;
    at("more").hidden = page.next === null;
    at("recent-grid").append(...page.images.map(recentCard));
    if (!at("recent-grid").childElementCount) {
      at("recent").replaceChildren(element("p", { class: "empty" },
        "The library is empty. Add a folder of pictures with ", element("code", {}, "ambience add FOLDER"), "; it shows up here."));
    }
  } catch (error) {
    tellError(error);
  }
}

function recentCard(image) {
  const picture = shot(image, `${image.name || `picture ${image.image_id}`}. Show large`);
  picture.addEventListener("click", () => showLarge(image));
  return element("li", { class: "card", "data-image-id": image.image_id },
    picture,
    element("div", { class: "about" },
      element("p", { class: "name", title: image.path || image.name }, image.name),
      element("p", { class: "facts" }, sizeText(image))));
}

async function showSummary() {
  try {
    const [info, { kinds }] = await Promise.all([ask("/v1/info"), ask("/v1/kinds")]);
    const waiting = Object.values(info.kinds).reduce((most, kind) => Math.max(most, kind.states.pending || 0), 0);
    const changes = Object.entries(info.kinds).filter(([, row]) => row.coming).map(([kind, { coming }]) =>
      `, ${kind} changing to ${coming.model}: ${coming.done.toLocaleString("en")} of ${(coming.done + coming.pending).toLocaleString("en")}`);
    at("summary").textContent = plural(info.images, "picture", "pictures") + (waiting ? `, ${waiting.toLocaleString("en")} being prepared` : "") + changes.join("");
    at("tab-colors").hidden = !kinds.some((kind) => kind.kind === "color");
    const looks = kinds.find((kind) => kind.kind === "global_features") ?? kinds.find((kind) => kind.metric === "cosine");
    at("tab-looks").hidden = !looks;
    TABS.looks.fields.by = looks?.kind ?? "";
    const words = kinds.find((kind) => kind.accepts_text);
    at("words").hidden = !words;
    state.note = words?.note ?? "";
    at("words-note").textContent = state.note;
    showQuery();
  } catch (error) {
    tellError(error);
  }
}

// --- wiring

function takeDrop(event) {
  event.preventDefault();
  at("drop").hidden = true;
  const file = event.dataTransfer.files[0];
  if (file) askWithFile(file);
  else tellError(new Error("What was dropped is no file. Save the picture first, or copy it and paste it here."));
}

addEventListener("dragover", (event) => { event.preventDefault(); at("drop").hidden = false; });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").hidden = true; });
addEventListener("drop", takeDrop);
addEventListener("paste", (event) => {
  const isTyping = event.target instanceof HTMLInputElement;
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) askWithFile(file);
  else if (!isTyping) tellError(new Error("The clipboard holds no picture."));
});
addEventListener("popstate", route);
at("file").addEventListener("change", (event) => { askWithFile(event.target.files[0]); event.target.value = ""; });
at("clear").addEventListener("click", () => { if (location.search) history.pushState({}, "", "/"); startOver(); });
at("words").addEventListener("submit", (event) => { event.preventDefault(); askWithWords(); });
at("more").addEventListener("click", () => moreRecent(state.next));
at("preview-image").addEventListener("error", () => {
  at("preview").classList.add("broken");
  at("choose-part").hidden = true;
});
at("choose-part").addEventListener("click", askWithPart);
wireKey();
for (const name of ["large", "proof", "region"]) at(name).addEventListener("click", (event) => { if (event.target === at(name)) at(name).close(); });
at("proof").addEventListener("close", forgetProof);
const BUTTONS = Object.keys(TABS).filter((tab) => at(`tab-${tab}`));
for (const tab of BUTTONS) {
  at(`tab-${tab}`).addEventListener("click", () => openTab(tab));
  at(`tab-${tab}`).addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const usable = BUTTONS.filter((each) => !at(`tab-${each}`).hidden);
    openTab(usable[(usable.indexOf(tab) + step + usable.length) % usable.length]);
  });
}

function route() {
  const asked = new URLSearchParams(location.search);
  const [id, text, minus] = [asked.get("id"), asked.get("text") ?? "", asked.get("minus") ?? ""];
  if (id !== null && /^\d{1,16}$/.test(id)) askWithImage(Number(id), { push: false, text, minus, region: regionOf(asked.get("region")) });
  else if (text) {
    Object.assign(state, { query: null });
    [at("text").value, at("minus").value] = [text, minus];
    askWithWords();
  } else startOver();
}

showSummary();
route();
