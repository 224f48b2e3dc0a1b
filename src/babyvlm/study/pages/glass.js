// What lies on the screen and which keys are down: what began before answers opened must not answer.

const ANSWERING = new Set(["Enter", "Space", "NumpadEnter"]);
const SAME_CLICK_MS = 1000, SAME_KEY_MS = 100;

const pointers = new Map(), keys = new Map();
let lastTouched = -Infinity, lastUp = -Infinity, touches = 0, released = { since: -Infinity, until: -Infinity };

const inStage = target => target instanceof Element && target.closest("#stage") !== null;
const isAnswer = event => ANSWERING.has(event.code) || /^[0-9]$/.test(event.key);

function touched(event) {
  lastTouched = Math.max(lastTouched, event.timeStamp);
  touches += 1;
}

addEventListener("pointerdown", event => {
  if (!event.isTrusted) return; // made by a script, which lays nothing on the glass
  // A first finger is down only where no other is: what was not seen to leave has left.
  if (event.isPrimary && event.pointerType === "touch") {
    for (const [id, one] of pointers) if (one.type === "touch") pointers.delete(id);
  }
  const option = event.target instanceof Element && event.target.closest("[data-place]") !== null;
  pointers.set(event.pointerId, { type: event.pointerType, option });
  if (inStage(event.target)) touched(event);
}, true);
for (const name of ["pointerup", "pointercancel"]) {
  addEventListener(name, event => { pointers.delete(event.pointerId); lastUp = event.timeStamp; }, true);
}
addEventListener("pointermove", event => { if (event.pointerType === "mouse" && !event.buttons) pointers.delete(event.pointerId); }, true);
addEventListener("keydown", event => {
  if (event.repeat) {
    if (ANSWERING.has(event.code) && inStage(event.target)) event.preventDefault(); // a key held down presses nothing again
    return;
  }
  keys.set(event.code, event.timeStamp);
  if (isAnswer(event) && !document.querySelector("dialog[open]")) touched(event);
}, true);
addEventListener("keyup", event => {
  if (keys.has(event.code)) released = { since: keys.get(event.code), until: event.timeStamp };
  keys.delete(event.code);
}, true);
addEventListener("blur", () => { keys.clear(); pointers.clear(); });

// Whether no finger, mouse button or answering key is down.
export const isClear = () => pointers.size === 0 && ![...keys.keys()].some(code => ANSWERING.has(code) || /^(Digit|Numpad)/.test(code));

// How long nothing has been touched, milliseconds.
export const quietMs = () => performance.now() - lastTouched;

// Touches and answering keys since the page was loaded.
export const touchesSoFar = () => touches;

// Whether a finger other than this one lies on something that can be touched.
export const isHeldElsewhere = id => [...pointers].some(([other, one]) => other !== id && one.option);

// Whether a click is a try of its own since then: no end of a press that is known already, and no key pressed before.
export function isFreshClick(event, openedAt) {
  if (event.detail > 0) return event.timeStamp - lastUp > SAME_CLICK_MS;
  if ([...keys].some(([code, since]) => ANSWERING.has(code) && since < openedAt)) return false;
  return !(event.timeStamp - released.until < SAME_KEY_MS && released.since < openedAt);
}
