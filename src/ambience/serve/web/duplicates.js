// The page of duplicates: which picture of each group is kept, which go to the trash, and what comes back from it.

import { NAMES, ask, at, bytesText, element, orientationText, plural, sizeText, tellError, wireKey } from "/web/common.js";

const PAGE = 20;
const TRASH_PAGE = 20;
const MOST_AT_ONCE = 1000; // pictures of one request
const state = { groups: new Map(), next: null, total: 0, pending: 0, oldest: null };

const post = (path, said) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(said) });

function clearNotices() {
  at("error").hidden = true;
  at("notice").hidden = true;
}

function tell(text, ...more) {
  at("notice").replaceChildren(text, ...more);
  at("notice").hidden = false;
}

// --- groups

// What people chose of a group: who stays, and who goes. A copy of a copy that goes stays unless they say so.
function choiceOf(group, keep = group.keep) {
  const losers = group.members.filter((each) => each.copy_of === group.keep || each.copy_of === keep);
  const going = new Set([group.keep, ...losers.map((each) => each.image_id)]);
  going.delete(keep);
  return { keep, going };
}

async function load(after = -1) {
  const asked = new URLSearchParams({ after, limit: PAGE });
  if (at("parts").checked) for (const verdict of ["same_file", "same_picture", "edited", "part"]) asked.append("verdict", verdict);
  const page = await ask(`/v1/duplicates?${asked}`);
  if (after < 0) {
    state.groups.clear();
    at("groups").replaceChildren();
  }
  Object.assign(state, { next: page.next, total: page.total, pending: page.pending });
  for (const group of page.groups) {
    state.groups.set(group.group_id, { group, choice: choiceOf(group) });
    at("groups").append(groupSection(group));
  }
  showTotals();
}

function showTotals() {
  const waiting = state.pending ? `, ${plural(state.pending, "picture", "pictures")} not compared yet` : "";
  at("summary").textContent = `${plural(state.total, "group", "groups")}${waiting}`;
  at("more").hidden = state.next === null;
  const choices = [...state.groups.values()].map(({ choice }) => choice).filter((choice) => choice.going.size);
  const going = choices.reduce((sum, choice) => sum + choice.going.size, 0);
  at("away-all").hidden = !going;
  at("away-all").textContent = `Put away all ${plural(going, "copy", "copies")} shown…`;
  if (!state.groups.size) {
    const words = state.pending ? "No duplicates so far; pictures are compared in the background." : "No duplicates.";
    at("groups").replaceChildren(element("p", { class: "empty" }, words));
  }
}

const imagesOf = (group) => [
  { image_id: group.keep, image: group.image, member: null },
  ...group.members.map((member) => ({ image_id: member.image_id, image: member.image, member })),
];

function groupSection(group) {
  const section = element("section", { class: "group", "data-group-id": group.group_id, "aria-label": `Group ${group.group_id}` });
  fillGroup(section, group);
  return section;
}

function fillGroup(section, group) {
  const { choice } = state.groups.get(group.group_id);
  const images = imagesOf(group);
  const going = images.filter((each) => choice.going.has(each.image_id));
  const bytes = going.reduce((sum, each) => sum + (each.image?.size ?? 0), 0);
  section.replaceChildren(
    element("p", { class: "quiet" }, `Best kept: ${group.image?.name ?? group.keep}, ${group.reason}`),
    element("ul", { class: "grid" }, ...images.map((each) => card(section, group, choice, each))),
    element("div", { class: "row" },
      element("button", { class: "button primary away", type: "button", disabled: going.length ? null : "", onclick: () => makeSure([choice]) },
        going.length ? `Put ${plural(going.length, "copy", "copies")} away (${bytesText(bytes)})…` : "Nothing chosen")));
}

function card(section, group, choice, { image_id: id, image, member }) {
  const isKept = choice.keep === id;
  const name = image?.name || `picture ${id}`;
  const picture = element("a", { class: "shot", href: image?.file, target: "_blank", rel: "noopener", "aria-label": `${name}: open the file` });
  if (image) picture.append(element("img", { src: image.thumbnail, alt: "", loading: "lazy", onerror: () => picture.classList.add("gone") }));
  const refill = () => { fillGroup(section, group); showTotals(); };
  const keep = element("input", {
    type: "radio", name: `keep-${group.group_id}`, checked: isKept ? "" : null,
    onchange: () => {
      Object.assign(choice, choiceOf(group, id));
      refill();
      section.querySelector(`[data-image-id="${id}"] input[type=radio]`).focus();
    },
  });
  const away = element("input", {
    type: "checkbox", checked: choice.going.has(id) ? "" : null, disabled: isKept ? "" : null,
    onchange: (event) => {
      choice.going[event.target.checked ? "add" : "delete"](id);
      refill();
      section.querySelector(`[data-image-id="${id}"] input[type=checkbox]`).focus();
    },
  });
  const canDiffer = member && member.verdict !== "same_file";
  return element("li", { class: `card${isKept ? " kept" : ""}`, "data-image-id": id },
    picture,
    element("div", { class: "about" },
      element("div", { class: "badges" }, ...badgesOf(group, member)),
      element("p", { class: "name", title: image?.path || name }, name),
      element("p", { class: "facts" }, image ? sizeText(image) : "removed meanwhile"),
      element("label", { class: "option" }, keep, " Keep"),
      element("label", { class: "option" }, away, " Put away"),
      canDiffer ? element("button", { class: "button small", type: "button", onclick: () => differ(group, member) }, "Not a duplicate") : null));
}

function badgesOf(group, member) {
  if (!member) return [element("span", { class: "badge same" }, "Best")];
  const [words, look] = NAMES[member.verdict] || [member.verdict, ""];
  const turned = orientationText(member.orientation);
  const via = group.members.find((each) => each.image_id === member.copy_of);
  const more = [turned, via ? `copy of ${via.image?.name ?? via.image_id} alone` : ""].filter(Boolean);
  return [element("span", { class: `badge ${look}` }, words), ...more.map((each) => element("span", { class: "badge" }, each))];
}

async function differ(group, member) {
  const said = { a: group.keep, b: member.image_id };
  clearNotices();
  try {
    await post("/v1/duplicates/decisions", { ...said, decision: "different" });
    const undo = element("button", { class: "button small", type: "button", onclick: () => reconsider(said) }, "Undo");
    await load();
    tell(`${member.image?.name ?? member.image_id} is no duplicate of ${group.image?.name ?? group.keep}, for ever. `, undo);
  } catch (error) {
    tellError(error);
  }
}

async function reconsider(said) {
  clearNotices();
  try {
    await post("/v1/duplicates/decisions", { ...said, decision: "undecided" });
    await load();
  } catch (error) {
    tellError(error);
  }
}

// --- into the trash

const asked = (choices) => choices.map((choice) => ({ keep: choice.keep, trash: [...choice.going] }));

// Groups by the request: so many pictures as one takes.
function requests(choices) {
  const made = [[]];
  let count = 0;
  for (const choice of asked(choices)) {
    for (let start = 0; start < choice.trash.length; start += MOST_AT_ONCE) {
      const part = { keep: choice.keep, trash: choice.trash.slice(start, start + MOST_AT_ONCE) };
      if (count + part.trash.length > MOST_AT_ONCE) {
        made.push([]);
        count = 0;
      }
      made.at(-1).push(part);
      count += part.trash.length;
    }
  }
  return made.filter((groups) => groups.length);
}

async function resolve(choices, { dryRun }) {
  const steps = [];
  let bytes = 0;
  for (const groups of requests(choices)) {
    const run = await post("/v1/duplicates/resolve", { groups, dry_run: dryRun });
    steps.push(...run.steps);
    bytes += run.bytes;
  }
  return { steps, bytes };
}

async function makeSure(choices) {
  clearNotices();
  const count = choices.reduce((sum, choice) => sum + choice.going.size, 0);
  at("sure-title").textContent = `Move ${plural(count, "picture", "pictures")} to the trash?`;
  at("sure-words").textContent = "";
  at("sure-refused").replaceChildren();
  at("sure-yes").hidden = true;
  at("sure-waiting").hidden = false;
  at("sure").showModal();
  try {
    const { steps, bytes } = await resolve(choices, { dryRun: true });
    const moving = steps.filter((step) => step.outcome === "would_trash").length;
    at("sure-title").textContent = moving ? `Move ${plural(moving, "picture", "pictures")} (${bytesText(bytes)}) to the trash?` : "Nothing can be put away";
    at("sure-words").textContent = moving ? "All files were read; those to keep are as they were. Tags and captions go to the pictures that are kept." : "";
    at("sure-refused").replaceChildren(...refusals(steps));
    at("sure-yes").hidden = !moving;
    at("sure-yes").onclick = () => putAway(choices);
    at("sure-yes").focus();
  } catch (error) {
    at("sure").close();
    tellError(error);
  } finally {
    at("sure-waiting").hidden = true;
  }
}

const refusals = (steps) => steps.filter((step) => step.outcome === "refused").map((step) => element("li", {}, `${step.name || step.image_id} stays: ${step.reason}`));

async function putAway(choices) {
  at("sure-yes").hidden = true;
  at("sure-waiting").hidden = false;
  try {
    const { steps, bytes } = await resolve(choices, { dryRun: false });
    const entries = steps.filter((step) => step.outcome === "trashed").map((step) => step.entry);
    const undo = element("button", { class: "button small", type: "button", onclick: () => restore(entries) }, "Undo");
    await Promise.all([load(), loadTrash()]);
    tell(`${plural(entries.length, "picture is", "pictures are")} in the trash now (${bytesText(bytes)}). `, undo, element("ul", {}, ...refusals(steps)));
  } catch (error) {
    tellError(error);
    await Promise.allSettled([load(), loadTrash()]); // what went before the fault is gone from its group
  } finally {
    at("sure").close();
    at("sure-waiting").hidden = true;
  }
}

// --- and back

async function restore(entries) {
  clearNotices();
  try {
    const steps = [];
    for (let start = 0; start < entries.length; start += MOST_AT_ONCE) {
      steps.push(...(await post("/v1/duplicates/restore", { entries: entries.slice(start, start + MOST_AT_ONCE) })).steps);
    }
    await Promise.all([load(), loadTrash()]);
    const back = steps.filter((step) => step.outcome === "restored").length;
    tell(`${plural(back, "picture is", "pictures are")} back.`, element("ul", {}, ...refusals(steps)));
  } catch (error) {
    tellError(error);
    await Promise.allSettled([load(), loadTrash()]);
  }
}

async function loadTrash(before = null) {
  const query = new URLSearchParams({ limit: TRASH_PAGE });
  if (before !== null) query.set("before", before);
  const page = await ask(`/v1/duplicates/trash?${query}`);
  if (before === null) at("trash-list").replaceChildren();
  at("trash").hidden = !page.total;
  at("trash-title").textContent = `In the trash: ${plural(page.total, "picture", "pictures")}, ${bytesText(page.bytes)}`;
  at("trash-list").append(...page.entries.map(trashRow));
  state.oldest = page.next;
  at("trash-more").hidden = page.next === null;
}

function trashRow(entry) {
  const when = new Date(entry.trashed_at).toLocaleString();
  return element("li", { "data-entry": entry.entry },
    element("span", { class: "name" }, entry.name),
    element("span", { class: "facts" }, `${bytesText(entry.size)} · ${when} · picture ${entry.kept} was kept`),
    element("button", { class: "button small", type: "button", onclick: () => restore([entry.entry]) }, "Bring back"));
}

// --- wiring

const reload = () => { clearNotices(); load().catch(tellError); };

at("parts").addEventListener("change", reload);
at("more").addEventListener("click", () => load(state.next).catch(tellError));
at("away-all").addEventListener("click", () => makeSure([...state.groups.values()].map(({ choice }) => choice).filter((choice) => choice.going.size)));
at("trash-more").addEventListener("click", () => loadTrash(state.oldest).catch(tellError));
wireKey();
reload();
loadTrash().catch(tellError);
