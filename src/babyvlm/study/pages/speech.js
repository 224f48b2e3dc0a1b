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

export function hush() {
  if (playing) playing.pause();
  playing = null;
  if ("speechSynthesis" in window) speechSynthesis.cancel();
}

export async function say(text, { mode, language, recording }) {
  hush();
  if (mode === "silent") return;
  if (mode === "recorded" && recording) {
    try {
      const address = URL.createObjectURL(await recording());
      playing = new Audio(address);
      playing.addEventListener("pause", () => URL.revokeObjectURL(address), { once: true });
      await playing.play();
      return;
    } catch { /* a browser that does not play it may still speak */ }
  }
  const voice = localVoice(language);
  if (!voice) return;
  const words = new SpeechSynthesisUtterance(text);
  words.voice = voice;
  words.lang = voice.lang;
  words.rate = 0.9;
  speechSynthesis.speak(words);
}
