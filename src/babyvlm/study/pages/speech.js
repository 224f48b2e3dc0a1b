// Says prompts: a recording where there is one, else the browser's own voice, else nothing.

let playing = null;

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
      playing = new Audio(URL.createObjectURL(await recording()));
      await playing.play();
      return;
    } catch { /* a browser that does not play it may still speak */ }
  }
  if (!("speechSynthesis" in window)) return;
  const words = new SpeechSynthesisUtterance(text);
  words.lang = language;
  words.rate = 0.9;
  speechSynthesis.speak(words);
}
