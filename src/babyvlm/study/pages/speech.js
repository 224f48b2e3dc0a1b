// Says prompts: a recording where there is one, else a voice of this device, else nothing.

let playing = null;

// The device's own voice for a language. Voices that live elsewhere would send what they say to somebody else.
function localVoice(language) {
  if (!("speechSynthesis" in window)) return null;
  const near = speechSynthesis.getVoices().filter(voice => voice.localService && sameLanguage(voice.lang, language));
  return near.find(voice => voice.lang.toLowerCase() === language.toLowerCase()) ?? near.find(voice => voice.default) ?? near[0] ?? null;
}

const sameLanguage = (one, other) => one.split(/[-_]/)[0].toLowerCase() === other.split(/[-_]/)[0].toLowerCase();

// Whether prompts can be said without a recording. Browsers tell their voices a while after the page has loaded.
export async function canSpeak(language, waitMs = 1000) {
  for (const until = performance.now() + waitMs; !localVoice(language) && performance.now() < until;) {
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return localVoice(language) !== null;
}

const ONSET_MS = 1500, SLACK_MS = 3000, LETTER_MS = 150;

export function hush() {
  if (playing) playing.pause();
  playing = null;
  if ("speechSynthesis" in window) speechSynthesis.cancel();
}

// Gets a sentence ready: a recording is fetched now, so that it begins when it is wanted. The function returned says it,
// and resolves to true once it has been said, to false where nobody says it.
export async function prepare(text, { mode, language, recording }) {
  if (mode === "silent") return async () => false;
  if (mode === "recorded" && recording) {
    try {
      const sound = await recording();
      return () => play(sound).then(played => played || speak(text, language));
    } catch { /* a browser that does not get it may still speak */ }
  }
  return () => speak(text, language);
}

// Plays a recording; false where the browser does not play it.
async function play(sound) {
  hush();
  const address = URL.createObjectURL(sound);
  const audio = (playing = new Audio(address));
  try {
    await audio.play();
    const longestMs = Number.isFinite(audio.duration) ? 1000 * audio.duration + SLACK_MS : 10 * SLACK_MS;
    await first(["ended", "pause", "error"].map(name => new Promise(resolve => audio.addEventListener(name, resolve, { once: true }))), longestMs);
    return true;
  } catch {
    return false;
  } finally {
    URL.revokeObjectURL(address);
  }
}

// Says a sentence by a voice of this device; false where there is none, or where it does not begin.
async function speak(text, language) {
  hush();
  const voice = localVoice(language);
  if (!voice) return false;
  const words = new SpeechSynthesisUtterance(text);
  words.voice = voice;
  words.lang = voice.lang;
  words.rate = 0.9;
  const began = new Promise(resolve => (words.onstart = () => resolve(true)));
  const over = new Promise(resolve => { words.onend = () => resolve(true); words.onerror = () => resolve(false); });
  speechSynthesis.speak(words);
  const starts = await first([began, over], ONSET_MS);
  if (!starts) return false; // a voice that is there and says nothing
  return (await first([over], SLACK_MS + LETTER_MS * text.length)) ?? true;
}

// What resolves first; undefined where nothing does in time.
const first = (promises, ms) => Promise.race([...promises, new Promise(resolve => setTimeout(resolve, ms))]);
