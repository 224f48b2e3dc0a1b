// What leaves and reaches the browser: requests that are tried again, and answers that outlive a closed tab.

const FIRST_WAIT_MS = 400, LONGEST_WAIT_MS = 5000;
const PASSING = new Set([502, 503, 504]);

export class Refused extends Error {
  constructor(status, { kind = "", detail = "", wait_s = 0 } = {}) {
    super(typeof detail === "string" && detail ? detail : "That did not work.");
    Object.assign(this, { status, kind, waitS: wait_s });
  }
}

const wait = ms => new Promise(resolve => setTimeout(resolve, ms));
const refusal = async response => new Refused(response.status, await response.json().catch(() => ({})));

export class Connection {
  constructor(token, onTrouble) {
    this.token = token;
    this.onTrouble = onTrouble;
  }

  async send(method, path, body) {
    return fetch(path, {
      method,
      headers: { Authorization: "Bearer " + this.token, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
      credentials: "same-origin",
    });
  }

  // Asks until the server answers; what it refuses is thrown, a lost network is waited for.
  async ask(method, path, body) {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      let response = null;
      try {
        response = await this.send(method, path, body);
      } catch { /* the network is lost: waited for below */ }
      if (response && response.ok) {
        this.onTrouble("");
        return response;
      }
      if (response && !PASSING.has(response.status)) throw await refusal(response);
      this.onTrouble(response ? "One moment please …" : "No network. Your answer is kept; we go on as soon as it is back.");
      await Promise.race([wait(waitMs * (0.5 + Math.random())), new Promise(resolve => addEventListener("online", resolve, { once: true }))]);
    }
  }

  async json(method, path, body) {
    return (await this.ask(method, path, body)).json();
  }

  // Asks once, for somebody who waits for the reply and can ask again: a PIN is never tried by itself.
  async once(method, path, body) {
    let response;
    try {
      response = await this.send(method, path, body);
    } catch {
      throw new Refused(0, { kind: "network", detail: "No network. Please try again when it is back." });
    }
    if (PASSING.has(response.status)) throw new Refused(response.status, { detail: "The server is busy. Please try again." });
    if (!response.ok) throw await refusal(response);
    return response.json();
  }

  async picture(key, number) {
    const blob = await (await this.ask("GET", `/api/picture/${key}/${number}`)).blob();
    const image = new Image();
    image.draggable = false;
    image.src = URL.createObjectURL(blob);
    await image.decode();
    return image;
  }
}

// Answers not yet known to be stored. They are written down before they are sent.
export class AnswerQueue {
  constructor(connection) {
    this.connection = connection;
    this.place = "babyvlm-answers-" + connection.token.slice(0, 12);
  }

  get waiting() {
    try {
      return JSON.parse(localStorage.getItem(this.place) ?? "[]").filter(answer => !answer.skip_pin);
    } catch {
      return [];
    }
  }

  keep(answers) {
    try {
      if (answers.length) localStorage.setItem(this.place, JSON.stringify(answers));
      else localStorage.removeItem(this.place);
    } catch { /* a browser that keeps nothing still sends at once */ }
  }

  // Sends everything, in order; returns what the server said last, or null where nothing waited.
  async flush(answer = null) {
    const waiting = [...this.waiting, ...(answer ? [answer] : [])];
    this.keep(waiting);
    let said = null;
    while (waiting.length) {
      try {
        said = await this.connection.json("POST", "/api/answer", waiting[0]);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 429) { // it was given and stays as it was given: it only has to wait
          this.connection.onTrouble(error.message);
          await wait(1000 * Math.max(1, error.waitS));
          continue;
        }
        waiting.shift();
        this.keep(waiting);
        if (error.status === 409 || error.status === 404) return null; // the server knows better where we are
        throw error;
      }
      waiting.shift();
      this.keep(waiting);
    }
    return said;
  }
}

// Names an answer, so that one sent twice is known as the same.
export function attemptName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
}
