// One trial on the screen: pictures, film, curtain, one try; ends with what was touched, and when.

const GRID = { "top left": [1, 1], "top": [1, 2], "top right": [1, 3], "left": [2, 1], "right": [2, 3], "bottom left": [3, 1], "bottom": [3, 2], "bottom right": [3, 3] };
const ARROWS = { "top left": "↖", "top": "↑", "top right": "↗", "left": "←", "right": "→", "bottom left": "↙", "bottom": "↓", "bottom right": "↘" };

export const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};
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

// Shows a trial. `pictures` are decoded images; resolves to { choice, reaction_ms, pointer, hidden }.
// `skipped` is a promise that may end the trial instead; it resolves to what is sent in place of a choice.
export async function runTrial(stage, trial, pictures, { onPainted, skipped }) {
  const show = trial.show;
  const heading = make("p", { className: "say", textContent: show.say, tabIndex: -1 });
  const box = make("section", { className: "trial" });
  box.dataset.number = trial.number;
  box.setAttribute("aria-label", trial.practice ? "Practice" : "Picture " + trial.number);
  box.append(heading);
  stage.replaceChildren(box);
  let hidden = false, skip = null;
  const onHidden = () => { hidden ||= document.hidden; };
  document.addEventListener("visibilitychange", onHidden);
  const skipping = skipped.then(sent => (skip = sent));
  try {
    if (show.clip) {
      onPainted(); // the film's question is said at its start
      await Promise.race([film(box, pictures.slice(0, show.clip), show.frame_ms), skipping]);
    }
    if (!skip) await Promise.race([curtain(box, show.curtain_ms), skipping]);
    if (skip) return skip;
    const { node, buttons } = answers(box, show, pictures);
    node.classList.remove("waiting");
    const since = await painted();
    if (!show.clip) onPainted();
    return await Promise.race([touch(box, buttons, since, () => hidden), skipping]);
  } finally {
    document.removeEventListener("visibilitychange", onHidden);
  }
}

async function film(box, frames, frameMs) {
  const screen = make("div", { className: "sample framed" });
  box.append(screen);
  for (const [number, picture] of frames.entries()) {
    picture.alt = `moment ${number + 1} of ${frames.length}`;
    screen.replaceChildren(picture);
    await painted();
    await wait(frameMs);
  }
  screen.remove();
}

async function curtain(box, curtainMs) {
  if (!curtainMs) return;
  const cloth = make("div", { className: "curtain" });
  const space = make("div", { className: "sample" }, cloth);
  space.setAttribute("aria-label", "the curtain is closed");
  box.append(space);
  await wait(curtainMs);
  space.remove();
}

function answers(box, show, pictures) {
  const laid = { pictures: layPictures, quadrants: layQuadrants, numbers: layNumbers, ways: layWays, words: layWords }[show.layout](box, show, pictures);
  laid.node.classList.add("waiting");
  return laid;
}

function option(className, place, name, ...children) {
  const button = make("button", { type: "button", className }, ...children);
  button.dataset.place = place;
  button.setAttribute("aria-label", name);
  return button;
}

function layPictures(box, show, pictures) {
  const samples = pictures.slice(0, show.samples), shown = pictures.slice(show.samples);
  if (samples.length) {
    box.classList.add("sampled");
    samples.forEach(picture => (picture.alt = "the picture to find again"));
    box.append(make("div", { className: "sample framed" }, ...samples));
  }
  const buttons = shown.map((picture, place) => {
    picture.alt = "";
    return option("picture", place, show.options[place], picture);
  });
  const square = shown.length === 4;
  box.append(make("div", { className: `options columns-${square ? 2 : shown.length} rows-${square ? 2 : 1}` }, ...buttons));
  return { node: box, buttons };
}

function layQuadrants(box, show, [picture]) {
  picture.alt = "the picture to point into";
  const buttons = show.options.map((name, place) => option("", place, name));
  const node = make("div", { className: "quadrants" }, picture, make("div", { className: "options" }, ...buttons));
  node.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight);
  box.append(make("div", { className: "space" }, node));
  return { node: box, buttons };
}

function layNumbers(box, show, pictures) {
  box.classList.add("numbered");
  pictures.forEach(picture => (picture.alt = "the picture to count in"));
  const buttons = show.options.map((name, place) => make("button", { type: "button", className: "number", textContent: name }));
  buttons.forEach((button, place) => (button.dataset.place = place));
  const columns = buttons.length > 6 ? 6 : buttons.length > 4 ? 3 : Math.max(1, buttons.length);
  box.append(make("div", { className: "sample" }, ...pictures), make("div", { className: `options columns-${columns}` }, ...buttons));
  return { node: box, buttons };
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
  return { node: box, buttons };
}

function layWords(box, show) {
  const buttons = show.options.map((name, place) => make("button", { type: "button", className: "number", textContent: name }));
  buttons.forEach((button, place) => (button.dataset.place = place));
  box.append(make("div", { className: "options columns-2" }, ...buttons));
  return { node: box, buttons };
}

// Waits for the one try. The first touch counts, at the moment the finger comes down.
function touch(box, buttons, since, wasHidden) {
  return new Promise(resolve => {
    let done = false, typed = "";
    const choose = (button, event, pointer) => {
      if (done || !button) return;
      done = true;
      button.classList.add("touched");
      buttons.forEach(other => (other.disabled = other !== button));
      removeEventListener("keydown", onKey);
      resolve({ choice: Number(button.dataset.place), reaction_ms: Math.max(0, event.timeStamp - since), pointer, hidden: wasHidden() });
    };
    for (const button of buttons) {
      button.addEventListener("pointerdown", event => event.isPrimary && event.button === 0 && choose(button, event, ["touch", "mouse", "pen"].includes(event.pointerType) ? event.pointerType : "other"));
      button.addEventListener("click", event => choose(button, event, event.detail === 0 ? "keyboard" : "other"));
    }
    // Arrow keys go from option to option; a number goes to the option of that place, or takes it where there are few.
    const onKey = event => {
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
