// One trial on the screen: pictures, film, curtain, the question, then one try; ends with what was touched, and when.

import { isClear, isFreshClick, isHeldElsewhere, quietMs, touchesSoFar } from "/glass.js";

const GRID = { "top left": [1, 1], "top": [1, 2], "top right": [1, 3], "left": [2, 1], "right": [2, 3], "bottom left": [3, 1], "bottom": [3, 2], "bottom right": [3, 3] };
const ARROWS = { "top left": "↖", "top": "↑", "top right": "↗", "left": "←", "right": "→", "bottom left": "↙", "bottom": "↓", "bottom right": "↘" };

export const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
const QUIET_MS = 400, LOOK_MS = 25, HELD_MS = 2500;
const wait = ms => new Promise(resolve => setTimeout(resolve, ms));
const frame = () => new Promise(resolve => requestAnimationFrame(resolve));

// Resolves once what was just changed is on the screen: the second frame after a change follows its painting.
async function painted() {
  await frame();
  await frame();
  return performance.now();
}

// The smallest step that performance.now shows here, milliseconds.
export function clockResolution() {
  let smallest = Infinity;
  const until = performance.now() + 60;
  for (let before = performance.now(), now; before < until; before = now) {
    do now = performance.now(); while (now === before);
    smallest = Math.min(smallest, now - before);
  }
  return smallest === Infinity ? null : smallest;
}

// Shows a trial. `pictures` are decoded images; resolves to { choice, reaction_ms, open_ms, early, pointer, hidden }.
// `say` says "watch" as a film begins and "say" with the pictures; it resolves to whether anybody said it.
// `onOpen` is called when answers open, `onHeld` with whether something lies on the glass and keeps them closed.
// `skipped` is a promise that may end the trial instead; what it resolves to is returned.
export async function runTrial(stage, trial, pictures, { say, onOpen, onHeld, skipped }) {
  const show = trial.show;
  const sentence = make("span", { textContent: show.clip ? show.watch : show.say });
  const practice = trial.practice ? [make("small", { textContent: "Practice" }), " "] : [];
  const box = make("section", { className: "trial" }, make("p", { className: "say" }, ...practice, sentence));
  box.dataset.number = trial.number;
  box.setAttribute("aria-label", trial.practice ? "Practice" : "Picture " + trial.number);
  stage.replaceChildren(box);
  let hidden = false, skip = null;
  const onHidden = () => { hidden ||= document.hidden; };
  const onInterrupted = () => { hidden = true; };
  document.addEventListener("visibilitychange", onHidden);
  document.addEventListener("interrupted", onInterrupted);
  const skipping = skipped.then(sent => (skip = sent));
  try {
    if (show.clip) {
      say("watch");
      await Promise.race([film(box, pictures.slice(0, show.clip), show.frame_ms), skipping]);
    }
    if (!skip) await Promise.race([curtain(box, show.curtain_ms), skipping]);
    if (skip) return skip;
    sentence.textContent = show.say;
    const buttons = answers(box, show, pictures);
    const since = await painted(), before = touchesSoFar();
    await Promise.race([opening(show, since, say("say"), () => skip, onHeld), skipping]);
    if (skip) return skip;
    const times = { since, openedAt: performance.now(), early: touchesSoFar() - before };
    onOpen();
    return await Promise.race([touch(box, buttons, times, () => hidden), skipping]);
  } finally {
    document.removeEventListener("visibilitychange", onHidden);
    document.removeEventListener("interrupted", onInterrupted);
  }
}

// Resolves when an answer may count: the question has been said, or could be read where nobody says it; every finger has
// left the glass; and whoever touched before has stopped.
async function opening(show, since, said, isSkipped, onHeld) {
  if (!(await said)) await wait(Math.max(0, since + show.reading_ms - performance.now()));
  const asked = performance.now();
  while (!isSkipped() && !(isClear() && quietMs() >= Math.min(QUIET_MS, show.gap_ms))) {
    if (performance.now() - asked > HELD_MS) onHeld(!isClear());
    await wait(LOOK_MS);
  }
  onHeld(false);
}

async function film(box, frames, frameMs) {
  const screen = sample("framed");
  box.append(screen);
  for (const [number, picture] of frames.entries()) {
    picture.alt = `moment ${number + 1} of ${frames.length}`;
    screen.replaceChildren(tile(picture));
    await painted();
    await wait(frameMs);
  }
  screen.remove();
}

async function curtain(box, curtainMs) {
  if (!curtainMs) return;
  const cloth = make("div", { className: "curtain", role: "img", ariaLabel: "the curtain is closed" });
  box.append(cloth);
  await wait(curtainMs);
  cloth.remove();
}

// Lays out what can be touched; returns the buttons, in the order of the options.
function answers(box, show, pictures) {
  return { pictures: layPictures, quadrants: layQuadrants, numbers: layNumbers, ways: layWays, words: layWords }[show.layout](box, show, pictures);
}

function option(className, place, name, ...children) {
  const button = make("button", { type: "button", className }, ...children);
  button.dataset.place = place;
  button.setAttribute("aria-label", name);
  return button;
}

// A picture as large as its place allows, in its own proportions.
function tile(picture) {
  const node = make("span", { className: "tile" }, picture);
  node.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight);
  return node;
}

const sample = (className, ...pictures) => make("div", { className: "sample " + className }, ...pictures.map(tile));

function layPictures(box, show, pictures) {
  const samples = pictures.slice(0, show.samples), shown = pictures.slice(show.samples);
  if (samples.length) {
    box.classList.add("sampled");
    samples.forEach(picture => (picture.alt = "the picture to find again"));
    box.append(sample("framed", ...samples));
  }
  const buttons = shown.map((picture, place) => {
    picture.alt = "";
    return option("picture", place, show.options[place], tile(picture));
  });
  const laid = shown.length === 4 ? "four" : "columns-" + shown.length;
  box.append(make("div", { className: "options " + laid }, ...buttons));
  return buttons;
}

function layQuadrants(box, show, [picture]) {
  picture.alt = "the picture to point into";
  const buttons = show.options.map((name, place) => option("", place, name));
  const node = tile(picture);
  node.classList.add("quadrants");
  node.append(make("span", { className: "options" }, ...buttons));
  box.append(make("div", { className: "sample" }, node));
  return buttons;
}

function layNumbers(box, show, pictures) {
  box.classList.add("numbered");
  pictures.forEach(picture => (picture.alt = "the picture to count in"));
  const buttons = show.options.map((name, place) => option("number", place, name, name));
  const laid = buttons.length > 6 ? "many" : buttons.length > 4 ? "columns-3" : "few columns-" + buttons.length;
  box.append(sample("", ...pictures), make("div", { className: "options " + laid }, ...buttons));
  return buttons;
}

function layWays(box, show) {
  const node = make("div", { className: "ways" }, make("div", { className: "frame" }));
  const buttons = show.options.map((name, place) => {
    const button = option("", place, name, ARROWS[name]);
    button.style.gridArea = GRID[name].join(" / ");
    return button;
  });
  // In the order in which they stand, so that the keyboard goes from left to right and down.
  node.append(...[...buttons].sort((a, b) => a.style.gridArea.localeCompare(b.style.gridArea)));
  box.append(node);
  return buttons;
}

function layWords(box, show) {
  const buttons = show.options.map((name, place) => option("number", place, name, name));
  box.append(make("div", { className: "options columns-2" }, ...buttons));
  return buttons;
}

// Waits for the one try. The first touch of an option counts, at the moment the finger comes down, also while a palm
// rests elsewhere on the glass. What began before answers opened (a finger, a click, a key held down) counts for nothing.
function touch(box, buttons, { since, openedAt, early }, wasHidden) {
  return new Promise(resolve => {
    let done = false, typed = "";
    const choose = (button, event, pointer) => {
      if (done || !button) return;
      done = true;
      button.classList.add("touched");
      buttons.forEach(other => (other.disabled = other !== button));
      removeEventListener("keydown", onKey);
      resolve({ choice: Number(button.dataset.place), reaction_ms: Math.max(0, event.timeStamp - since), open_ms: openedAt - since, early, pointer, hidden: wasHidden() });
    };
    for (const button of buttons) {
      button.addEventListener("pointerdown", event => {
        if (event.button !== 0 || event.timeStamp < openedAt || isHeldElsewhere(event.pointerId)) return;
        choose(button, event, ["touch", "mouse", "pen"].includes(event.pointerType) ? event.pointerType : "other");
      });
      button.addEventListener("click", event => isFreshClick(event, openedAt) && choose(button, event, event.detail === 0 ? "keyboard" : "other"));
    }
    // Arrow keys go from option to option; a number goes to the option of that place, or takes it where there are few.
    const onKey = event => {
      if (!box.isConnected) return removeEventListener("keydown", onKey);
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (event.key.startsWith("Arrow")) {
        event.preventDefault();
        neighbour(buttons, event.key)?.focus();
      } else if (/^[0-9]$/.test(event.key) && !event.repeat) {
        typed = Number(typed + event.key) <= buttons.length ? typed + event.key : event.key;
        const button = buttons[Number(typed) - 1];
        if (buttons.length <= 9) choose(button, event, "keyboard");
        else button?.focus();
      }
    };
    addEventListener("keydown", onKey);
    box.dataset.open = "true"; // from here on a touch counts
  });
}

// The option that lies nearest in the direction of the key.
function neighbour(buttons, key) {
  const here = document.activeElement;
  if (!buttons.includes(here)) return buttons[0];
  const centre = node => { const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
  const [x, y] = centre(here);
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0];
  let best = null, least = Infinity;
  for (const button of buttons) {
    const [bx, by] = centre(button);
    const ahead = (bx - x) * dx + (by - y) * dy, aside = Math.abs((bx - x) * dy) + Math.abs((by - y) * dx);
    if (ahead > 1 && ahead + 3 * aside < least) { least = ahead + 3 * aside; best = button; }
  }
  return best;
}
