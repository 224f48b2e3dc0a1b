// The participant's page: gate, consent, trials, breaks, the end. The server says what comes next; this shows it.

import { AnswerQueue, Connection, Refused, attemptName } from "/network.js";
import { canSpeak, hush, say } from "/speech.js";
import { clockResolution, make, runTrial } from "/trial.js";

const PRAISE_MS = 900;
const $ = id => document.getElementById(id);
const stage = $("stage");
const connection = new Connection(decodeURIComponent(location.hash.slice(1)), text => ($("banner").textContent = text));
const queue = new AnswerQueue(connection);
let state = null, trialEnds = () => {};

const card = (title, ...children) => {
  const heading = make("h2", { textContent: title, tabIndex: -1 });
  const node = make("section", { className: "card" }, heading, ...children);
  stage.replaceChildren(node);
  heading.focus();
  return node;
};
const paragraph = text => make("p", { className: "text", textContent: text });
const pressed = button => new Promise(resolve => button.addEventListener("click", resolve, { once: true }));
const mainButton = text => make("button", { type: "button", className: "main", textContent: text });

function end(title, text, mark = "") {
  hush();
  releaseScreen();
  for (const id of ["menu", "again", "progress"]) $(id).hidden = true;
  const star = mark ? [make("div", { className: "mark star", textContent: mark, ariaHidden: "true" })] : [];
  card(title, ...star, paragraph(text)).classList.add("centre");
}

async function gate() {
  const pin = make("input", { type: "password", inputMode: "numeric", autocomplete: "off" });
  const problem = paragraph("");
  problem.setAttribute("role", "alert");
  const open = mainButton("Open");
  const form = make("form", {}, make("label", {}, "PIN", pin), open);
  open.type = "submit";
  card("For the grown-up", paragraph("Please enter the PIN to begin."), form, problem);
  pin.focus();
  for (;;) {
    await new Promise(resolve => form.addEventListener("submit", event => { event.preventDefault(); resolve(); }, { once: true }));
    try {
      return await connection.json("POST", "/api/gate", { pin: pin.value });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      pin.value = "";
    }
  }
}

async function consent() {
  const age = make("input", { type: "number", min: 0, max: 216, step: "any", required: true });
  const agree = mainButton("I agree");
  const fields = state.age_wanted ? [make("label", {}, "The child's age in months", age)] : [];
  card("Before we start", paragraph(state.consent_text), ...fields, agree);
  for (;;) {
    await pressed(agree);
    if (state.age_wanted && !age.reportValidity()) continue;
    const sent = { version: state.consent_version, age_months: state.age_wanted ? Number(age.value) : null };
    try {
      return await connection.json("POST", "/api/consent", sent);
    } catch (error) {
      if (error.kind !== "consent outdated") throw error;
      return connection.json("GET", "/api/state");
    }
  }
}

// A press before the first picture: browsers let a page speak, stay awake and fill the screen only after one.
async function ready(resumed) {
  const go = mainButton(resumed ? "Go on" : "Start");
  const text = resumed ? "We go on where you stopped." : "Look, listen, and touch. There is one try for each.";
  const silent = state.speech !== "silent" && !state.trial?.voices.length && !(await canSpeak(state.language));
  const advice = silent ? [paragraph(state.gated ? "This device has no voice: please read each question aloud." : "This device has no voice: the questions are to be read.")] : [];
  card(resumed ? "Welcome back" : "Ready?", paragraph(text), ...advice, go).classList.add("centre");
  await pressed(go);
  await keepScreen();
}

// A toddler's screen stays awake and shows nothing else, where the browser lets it; nothing depends on it.
let awake = null;
async function keepScreen() {
  const asked = [navigator.wakeLock?.request("screen").then(lock => (awake = lock))];
  if (state.gated && document.fullscreenEnabled) asked.push(document.documentElement.requestFullscreen({ navigationUI: "hide" }));
  await Promise.allSettled(asked);
}
function releaseScreen() {
  awake?.release().catch(() => {});
  awake = null;
  if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
}
document.addEventListener("visibilitychange", () => {
  // The browser takes the lock away when the page is hidden.
  if (awake && !document.hidden) navigator.wakeLock.request("screen").then(lock => (awake = lock), () => {});
});

async function breather() {
  const go = mainButton("Go on");
  card("Time for a little break", paragraph("Go on when you are ready."), go).classList.add("centre");
  await pressed(go);
}

function speak(trial, moment) {
  const recorded = trial.voices.includes(moment);
  const recording = recorded ? async () => (await connection.ask("GET", `/api/voice/${trial.key}/${moment}`)).blob() : null;
  return say(trial.show[moment], { mode: state.speech, language: state.language, recording });
}

async function praise(right) {
  const mark = make("div", { className: right ? "mark right" : "mark", textContent: right ? "✓" : "○" });
  card(right ? "Yes!" : "Almost. Let's try the next one.", mark).classList.add("centre");
  await new Promise(resolve => setTimeout(resolve, PRAISE_MS));
}

async function oneTrial() {
  const trial = state.trial;
  if (trial.break_before) await breather();
  $("progress").max = trial.of;
  $("progress").value = trial.number - 1;
  if (!trial.same_item) stage.replaceChildren();
  const pictures = await Promise.all(Array.from({ length: trial.show.pictures }, (_, number) => connection.picture(trial.key, number)));
  const skipped = new Promise(resolve => (trialEnds = resolve));
  let moment = "say";
  $("again").onclick = () => speak(trial, moment);
  const given = await runTrial(stage, trial, pictures, { onSay: now => speak(trial, (moment = now)), skipped });
  pictures.forEach(picture => URL.revokeObjectURL(picture.src));
  hush();
  if (!state) return; // withdrawn
  const said = await queue.flush({ trial: trial.key, attempt: attemptName(), ...given });
  if (said === null) { state = await connection.json("GET", "/api/state"); return; }
  if (said.right !== null) await praise(said.right);
  state = said.state;
}

function prepareMenu() {
  $("dialog-pin").hidden = $("skip").hidden = !state.gated;
  $("dialog-about").textContent = state.gated
    ? "The page may be closed at any time; the same link goes on later. Code: " + state.code
    : "You may close the page at any time and go on later with the same link. Your code: " + state.code;
  $("dialog-title").textContent = state.gated ? "For grown-ups" : "Menu";
  $("menu").onclick = () => {
    document.dispatchEvent(new Event("interrupted")); // a reaction time across the menu tells nothing
    $("dialog-problem").textContent = $("pin").value = "";
    $("dialog").showModal();
  };
  $("skip").onclick = async () => {
    try {
      await connection.json("POST", "/api/gate", { pin: $("pin").value });
    } catch (error) {
      $("dialog-problem").textContent = error.message;
      return;
    }
    trialEnds({ choice: null, skip_pin: $("pin").value });
    $("dialog").close();
  };
  $("withdraw").onclick = async () => {
    if (!confirm("Delete everything that was stored in this session? This cannot be undone.")) return;
    try {
      await connection.json("POST", "/api/withdraw", { pin: $("pin").value, sure: true });
    } catch (error) {
      $("dialog-problem").textContent = error.message;
      return;
    }
    queue.keep([]);
    $("dialog").close();
    end("Everything is deleted", "Thank you. You may close this page.");
    state = null;
    trialEnds({ choice: null });
  };
}

async function run() {
  if (!connection.token) return end("No link", "Please open the link that you were given.");
  const screen = `${window.screen.width}x${window.screen.height}@${devicePixelRatio}`;
  await connection.json("POST", "/api/browser", {}); // a link is bound to what this browser holds for certain
  state = await connection.json("POST", "/api/open", { clock_resolution_ms: clockResolution(), screen });
  document.title = $("title").textContent = state.title;
  document.documentElement.lang = state.language;
  if (state.phase === "gate") state = await gate();
  while (state.phase === "consent") state = await consent();
  prepareMenu();
  if (state.phase === "trials") {
    if (queue.waiting.length) state = (await queue.flush())?.state ?? (await connection.json("GET", "/api/state"));
    await ready(state.trial?.number > 1);
    for (const id of ["menu", "progress"]) $(id).hidden = false;
    $("again").hidden = state.speech === "silent";
    while (state?.phase === "trials") await oneTrial();
  }
  if (!state) return;
  end("All done!", `Thank you very much. You may close this page. The code of your session is ${state.code}; with it your answers can be deleted later.`, "★");
  $("menu").hidden = false;
}

addEventListener("contextmenu", event => event.preventDefault());
run().catch(error => end("Sorry", error instanceof Refused ? error.message : "Something went wrong. Please load the page again."));
