// Whose session this tab holds: the token of a link, taken out of the address and its history, kept for this tab alone.

const PLACE = "babyvlm-link";
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;

function keep(token) {
  try {
    if (token) sessionStorage.setItem(PLACE, token);
    else sessionStorage.removeItem(PLACE);
  } catch { /* a browser that keeps nothing for a page has the token until the page is left */ }
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
  if (location.hash.length <= 1) return { token: kept(), damaged: false };
  const token = inAddress();
  keep(token);
  history.replaceState(null, "", location.pathname);
  return { token, damaged: !token };
}

export const forgetLink = () => keep("");

// Calls back as soon as this page stands for another session than it was loaded for: a link was typed, pasted or chosen
// from the history, of which the browser loads nothing by itself; or the page comes back as it was left.
export function onAnotherLink(token, restart) {
  addEventListener("hashchange", () => {
    if (location.hash.length <= 1) return;
    restart(takeLink());
  });
  addEventListener("pageshow", event => { if (event.persisted) restart({ token: kept(), damaged: false }); });
}
