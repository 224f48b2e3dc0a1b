// Whose session this tab holds: the token of a link, taken out of the address and its history, kept for this tab alone.

const PLACE = "babyvlm-link";
const DAMAGED = "!"; // no token: outlives loading the page again, so that it can say what was wrong
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;

let inTab = ""; // for a browser that keeps nothing for a page: it has the token until the page is left

function keep(token) {
  inTab = token;
  try {
    if (token) sessionStorage.setItem(PLACE, token);
    else sessionStorage.removeItem(PLACE);
  } catch { /* see inTab */ }
}

function kept() {
  try { return sessionStorage.getItem(PLACE) ?? ""; } catch { return ""; }
}

// The token that stands in the address; empty where what stands there is none. Mail programs and messengers add a full
// stop or a bracket, or write signs as %..; an address whose signs are broken is no link.
function inAddress() {
  try {
    const written = decodeURIComponent(location.hash.slice(1)).replace(/^[^\w-]+|[^\w-]+$/g, "");
    return TOKEN.test(written) ? written : "";
  } catch {
    return "";
  }
}

// The token of this tab. A link in the address is another start, also where it is damaged: it never falls back on the
// session that was here before.
export function takeLink() {
  if (location.hash.length > 1) {
    keep(inAddress() || DAMAGED);
    history.replaceState(null, "", location.pathname);
  }
  const token = inTab || kept();
  return token === DAMAGED ? { token: "", damaged: true } : { token, damaged: false };
}

export const forgetLink = () => keep("");

// Calls back as soon as this page stands for another session than it was loaded for: a link was typed, pasted or chosen
// from the history, of which the browser loads nothing by itself; or the page comes back as it was left.
export function onAnotherLink(restart) {
  addEventListener("hashchange", () => {
    if (location.hash.length <= 1) return;
    takeLink();
    restart();
  });
  addEventListener("pageshow", event => { if (event.persisted) restart(); });
}
