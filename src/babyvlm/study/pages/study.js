// The participant's page: gate, consent, trials, breaks, the end. The server says what comes next; this shows it.

import { forgetLink, onAnotherLink, takeLink } from "/link.js";
import { AnswerQueue, Connection, Refused, attemptName } from "/network.js";
import { canSpeak, hush, prepare } from "/speech.js";
import { clockResolution, make, runTrial } from "/trial.js";

const PRAISE_MS = 900, LATE_MS = 1000, SCREEN_MS = 800;
const $ = id => document.getElementById(id);
const stage = $("stage");
const link = takeLink();
const banner = text => ($("banner").textContent = text);
const connection = new Connection(link.token, banner);
const queue = new AnswerQueue(connection);
const wait = ms => new Promise(resolve => setTimeout(resolve, ms));
let state = null, trialEnds = () => {};

onAnotherLink(() => {
  document.body.replaceChildren(); // nobody answers here any more
  hush();
  location.reload();
});

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

// Whose session this is, as the page says before anything is agreed to.
function whose() {
  const age = state.age_months === null ? "" : `, ${state.age_months} months`;
  return `Session ${state.code}${state.group === "child" ? ", child" + age : ""}`;
}

function end(title, text, mark = "") {
  hush();
  releaseScreen();
  banner("");
  for (const id of ["menu", "again", "progress"]) $(id).hidden = true;
  const star = mark ? [make("div", { className: "mark star", textContent: mark, ariaHidden: "true" })] : [];
  card(title, ...star, paragraph(text)).classList.add("centre");
}

const alertLine = () => {
  const line = paragraph("");
  line.setAttribute("role", "alert");
  return line;
};

async function gate() {
  const pin = make("input", { type: "password", inputMode: "numeric", autocomplete: "off" });
  const problem = alertLine();
  const open = mainButton("Open");
  const form = make("form", {}, make("label", {}, "PIN", pin), open);
  open.type = "submit";
  for (const id of ["menu", "again", "progress"]) $(id).hidden = true;
  card("For the grown-up", paragraph(whose()), paragraph("Please enter the PIN to begin."), form, problem);
  pin.focus();
  for (;;) {
    await new Promise(resolve => form.addEventListener("submit", event => { event.preventDefault(); resolve(); }, { once: true }));
    problem.textContent = "";
    open.disabled = true;
    try {
      return await connection.once("POST", "/api/gate", { pin: pin.value });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      pin.value = "";
      pin.focus();
    } finally {
      open.disabled = false;
    }
  }
}

async function consent() {
  const age = make("input", { type: "number", step: "any", required: true });
  const agree = mainButton("I agree"), sure = make("button", { type: "button", hidden: true });
  const problem = alertLine();
  const fields = state.age_wanted ? [make("label", {}, "The child's age in months", age)] : [];
  card("Before we start", paragraph(whose()), paragraph(state.consent_text), ...fields, problem, sure, agree);
  age.addEventListener("input", () => { sure.hidden = true; problem.textContent = ""; });
  for (;;) {
    const button = await Promise.race([pressed(agree), pressed(sure)]).then(event => event.target);
    if (state.age_wanted && !age.reportValidity()) continue;
    const sent = { version: state.consent_version, age_months: state.age_wanted ? Number(age.value) : null, age_sure: button === sure };
    try {
      return await connection.json("POST", "/api/consent", sent);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.kind === "consent outdated") return connection.json("GET", "/api/state");
      if (error.kind !== "age") throw error;
      problem.textContent = error.message;
      sure.textContent = `Yes, ${age.value} months`;
      sure.hidden = error.status !== 409;
    }
  }
}

// A press before the first picture: browsers let a page speak, stay awake and fill the screen only after one.
async function ready(resumed) {
  const go = mainButton(resumed ? "Go on" : "Start");
  const text = resumed ? "We go on where you stopped." : "Look, listen, and touch. There is one try for each.";
  const silent = state.speech !== "silent" && !state.trial?.voices.length && !(await canSpeak(state.language));
  const advice = silent ? [paragraph(state.gated ? "This device has no voice: please read each question aloud." : "This device has no voice: the questions are to be read.")] : [];
  const mine = paragraph(whose() + (resumed ? ". If that is not yours, open your own link." : ""));
  card(resumed ? "Welcome back" : "Ready?", mine, paragraph(text), ...advice, go).classList.add("centre");
  await pressed(go);
  await keepScreen();
}

// A toddler's screen stays awake and shows nothing else, where the browser lets it; nothing depends on it.
let awake = null;
async function keepScreen() {
  const asked = [navigator.wakeLock?.request("screen").then(lock => (awake = lock))];
  if (state.gated && document.fullscreenEnabled) asked.push(document.documentElement.requestFullscreen({ navigationUI: "hide" }));
  await Promise.race([Promise.allSettled(asked), wait(SCREEN_MS)]); // some browsers never say
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

function prepared(trial, moment) {
  const recorded = trial.voices.includes(moment);
  const recording = recorded ? async () => (await connection.ask("GET", `/api/voice/${trial.key}/${moment}`)).blob() : null;
  return prepare(trial.show[moment], { mode: state.speech, language: state.language, recording });
}

// Everything that a trial shows and says is here before it begins.
async function loaded(trial) {
  const late = setTimeout(() => banner("Loading …"), trial.show.gap_ms + LATE_MS);
  const pictures = Promise.all(Array.from({ length: trial.show.pictures }, (_, number) => connection.picture(trial.key, number)));
  const spoken = Promise.all([trial.show.clip ? prepared(trial, "watch") : null, prepared(trial, "say")]);
  try {
    const [shown, [watch, say]] = await Promise.all([pictures, spoken, wait(trial.show.gap_ms)]);
    return { shown, voices: { watch, say } };
  } finally {
    clearTimeout(late);
    banner("");
  }
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
  $("again").disabled = true;
  if (!trial.same_item) stage.replaceChildren();
  const skipped = new Promise(resolve => (trialEnds = resolve));
  const { shown, voices } = await loaded(trial);
  const given = await runTrial(stage, trial, shown, {
    say: moment => voices[moment](),
    onOpen: () => { $("again").disabled = false; },
    onHeld: held => banner(held ? "Please take all fingers off the screen." : ""),
    skipped,
  });
  shown.forEach(picture => URL.revokeObjectURL(picture.src));
  hush();
  if (!state) return; // withdrawn
  if (given.said) { state = given.said.state; return; } // skipped, and stored already
  const said = await queue.flush({ trial: trial.key, attempt: attemptName(), ...given });
  if (said === null) { state = await connection.json("GET", "/api/state"); return; }
  if (said.right !== null) await praise(said.right);
  state = said.state;
}

function prepareMenu() {
  let skipName = {};
  $("dialog-pin").hidden = $("skip").hidden = !state.gated;
  $("dialog-about").textContent = state.gated
    ? `${whose()}. The page may be closed at any time; the same link resumes it, with the PIN.`
    : `${whose()}. You may close the page at any time; the same link resumes it.`;
  $("dialog-title").textContent = state.gated ? "For grown-ups" : "Menu";
  $("menu").onclick = () => {
    document.dispatchEvent(new Event("interrupted")); // a reaction time across the menu tells nothing
    $("dialog-problem").textContent = $("pin").value = "";
    $("dialog").showModal();
  };
  $("again").onclick = async () => { if (state?.trial) (await prepared(state.trial, "say"))(); };
  // One request for each press: a PIN that is wrong, or tried too often, changes nothing now or later.
  const attempt = async act => {
    $("dialog-problem").textContent = "";
    $("skip").disabled = $("withdraw").disabled = true;
    try {
      await act($("pin").value);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      $("dialog-problem").textContent = error.message;
      $("pin").value = "";
    } finally {
      $("skip").disabled = $("withdraw").disabled = false;
    }
  };
  $("skip").onclick = () => attempt(async pin => {
    const key = state.trial.key;
    if (skipName.key !== key) skipName = { key, attempt: attemptName() };
    const said = await connection.once("POST", "/api/answer", { trial: key, attempt: skipName.attempt, choice: null, skip_pin: pin });
    $("dialog").close();
    trialEnds({ said });
  });
  $("withdraw").onclick = () => attempt(async pin => {
    if (!confirm(`Delete everything that was stored in session ${state.code}? This cannot be undone.`)) return;
    await connection.once("POST", "/api/withdraw", { pin, sure: true });
    queue.keep([]);
    forgetLink();
    $("dialog").close();
    end("Everything is deleted", "Thank you. You may close this page.");
    state = null;
    trialEnds({});
  });
}

// Whether this browser keeps what a link is bound to; asked before anything is agreed to, and before the link is used.
async function keepsCookies() {
  if ((await connection.json("POST", "/api/browser", {})).known) return true;
  return (await connection.json("POST", "/api/browser", {})).known;
}

async function begin() {
  await ready(state.trial?.number > 1);
  for (const id of ["menu", "progress"]) $(id).hidden = false;
  $("again").hidden = state.speech === "silent";
}

async function run() {
  if (link.damaged) return end("This link is damaged", "Please open it again exactly as you were given it, or ask for a new one.");
  if (!connection.token) return end("No link", "Please open the link that you were given.");
  if (!(await keepsCookies())) {
    return end("This browser keeps no cookies", "Without them nobody can tell whose answers these are. Nothing was stored, and your link still works: allow cookies for this page, or open the link in another browser.");
  }
  const screen = `${window.screen.width}x${window.screen.height}@${devicePixelRatio}`;
  state = await connection.json("POST", "/api/open", { clock_resolution_ms: clockResolution(), screen });
  document.title = $("title").textContent = state.title;
  document.documentElement.lang = state.language;
  let begun = false;
  while (state && state.phase !== "finished") {
    if (state.phase === "gate") {
      begun = false;
      state = await gate();
    } else if (state.phase === "consent") {
      state = await consent();
    } else if (!begun) {
      prepareMenu();
      if (queue.waiting.length) state = (await queue.flush())?.state ?? (await connection.json("GET", "/api/state"));
      if (state.phase !== "trials") continue;
      await begin();
      begun = true;
    } else {
      await oneTrial().catch(async error => {
        // Another session was opened in this browser since: whoever sits here now says so by the PIN.
        if (!(error instanceof Refused) || error.kind !== "gate closed") throw error;
        hush();
        state = await connection.json("GET", "/api/state");
      });
    }
  }
  if (!state) return;
  forgetLink(); // who comes next finds nobody's session here
  end("All done!", `Thank you very much. You may close this page. The code of your session is ${state.code}; with it your answers can be deleted later.`, "★");
}

function refused(error) {
  end("Sorry", error instanceof Refused ? error.message : "Something went wrong. Please load the page again.");
  if (error instanceof Refused && error.waitS) {
    const again = mainButton("Try again");
    again.onclick = () => location.reload();
    stage.querySelector(".card").append(again);
  }
}

addEventListener("contextmenu", event => event.preventDefault());
run().catch(refused);
