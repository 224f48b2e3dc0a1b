// The review page: items with their answers, decisions about them, by buttons or keys.

const PAGE = 20;
let offset = 0, current = 0, listed = [];
const $ = id => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

async function ask(url, options = {}) {
  let response;
  try { response = await fetch(url, options); } catch { throw new Error("The server does not answer. Is babyvlm toolbox review still running?"); }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(typeof body.detail === "string" ? body.detail : "That was not accepted (" + response.status + ").");
  return body;
}

async function load() {
  try {
    const query = new URLSearchParams({ task: $("task").value, show: $("show").value, offset, limit: PAGE });
    const page = await ask("/api/items?" + query);
    if (!page.items.length && offset) { offset = Math.max(0, offset - PAGE); return load(); }
    for (const task of page.tasks)
      if (![...$("task").options].some(option => option.value === task)) $("task").append(new Option(task.replaceAll("_", " "), task));
    listed = page.items;
    current = Math.min(current, Math.max(0, listed.length - 1));
    $("count").textContent = `${page.decided} of ${page.total} decided; ${page.matching} to show`;
    $("items").replaceChildren(...listed.map(card));
    if (!listed.length) $("items").append(make("p", { textContent: "Nothing to show here." }));
    $("before").disabled = offset === 0;
    $("after").disabled = offset + PAGE >= page.matching;
    $("message").textContent = "";
    mark();
  } catch (error) { $("message").textContent = error.message; }
}

function card({ item, decision }, index) {
  const article = make("article", { tabIndex: -1 });
  const told = value => (value === "unknown" || value === "published" ? "" : value);
  const about = [item.task.replaceAll("_", " "), item.category, told(item.difficulty), told(item.variant), told(item.licence), item.id];
  article.append(make("div", { className: "about" }, ...about.filter(Boolean).map(text => make("span", { textContent: text }))));
  item.turns.forEach((turn, number) => article.append(round(item, turn, number)));
  const note = make("input", { placeholder: "Note", value: decision ? decision.note : "" });
  note.setAttribute("aria-label", "Note");
  const button = (text, verdict, answer = "") => {
    const pressed = decision && decision.verdict === verdict && decision.answer === answer;
    const node = make("button", { textContent: text, onclick: () => decide(index, verdict, answer, note.value) });
    node.setAttribute("aria-pressed", String(Boolean(pressed)));
    return node;
  };
  const actions = make("div", { className: "actions" }, button("Accept", "accept"), button("Reject", "reject"));
  if (item.turns.length === 1) {
    const turn = item.turns[0];
    const other = make("select");
    other.setAttribute("aria-label", "Another answer is right");
    other.append(new Option("another answer is right …", ""));
    for (const option of turn.options) if (option !== turn.gold) other.append(new Option(option, option));
    if (decision && decision.verdict === "relabel") other.value = decision.answer;
    other.onchange = () => other.value && decide(index, "relabel", other.value, note.value);
    actions.append(other);
  }
  actions.append(note);
  if (decision) actions.append(make("button", { textContent: "Take back", onclick: () => takeBack(index) }));
  article.append(actions);
  return article;
}

function round(item, turn, number) {
  const section = make("div", { className: "round" });
  const words = turn.prompt.replaceAll("<image>", "▢").trim();
  section.append(make("p", { className: "prompt", textContent: (item.turns.length > 1 ? `${number + 1}. ` : "") + words + "  → " + turn.gold }));
  const letters = turn.images.length - turn.options.length;
  const pictures = make("div", { className: "pictures" });
  turn.images.forEach((name, place) => {
    const option = turn.options[place - Math.max(0, letters)];
    const isOption = letters >= 0 && letters <= 1 && place >= letters && /^[A-D]$/.test(option || "") && turn.images.length > 1;
    const figure = make("figure", { className: isOption && option === turn.gold ? "gold" : "" });
    const label = turn.labels[place] || "";
    figure.append(make("img", { src: "/images/" + encodeURIComponent(name), alt: label || "picture " + (place + 1), loading: "lazy" }));
    figure.append(make("figcaption", { textContent: (isOption ? "(" + option + ") " : "") + label }));
    pictures.append(figure);
  });
  section.append(pictures);
  return section;
}

async function decide(index, verdict, answer, note) {
  const id = listed[index].item.id;
  try {
    await ask("/api/decisions/" + id, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ verdict, answer, note }) });
    current = $("show").value === "all" ? index + 1 : index;
    await load();
  } catch (error) { $("message").textContent = error.message; $("message").scrollIntoView(); }
}
async function takeBack(index) {
  try { await ask("/api/decisions/" + listed[index].item.id, { method: "DELETE" }); await load(); }
  catch (error) { $("message").textContent = error.message; }
}
function mark() {
  const cards = $("items").querySelectorAll("article");
  cards.forEach((node, index) => node.classList.toggle("current", index === current));
  if (cards[current] && current) cards[current].scrollIntoView({ block: "nearest" });
}
$("task").onchange = $("show").onchange = () => { offset = current = 0; load(); };
$("before").onclick = () => { offset = Math.max(0, offset - PAGE); current = 0; load(); scrollTo(0, 0); };
$("after").onclick = () => { offset += PAGE; current = 0; load(); scrollTo(0, 0); };
addEventListener("keydown", event => {
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const note = () => $("items").querySelectorAll("article")[current]?.querySelector("input").value ?? "";
  if (event.key === "j") current = Math.min(current + 1, listed.length - 1), mark();
  else if (event.key === "k") current = Math.max(current - 1, 0), mark();
  else if (event.key === "a" && listed[current]) decide(current, "accept", "", note());
  else if (event.key === "r" && listed[current]) decide(current, "reject", "", note());
  else if (event.key === "u" && listed[current]?.decision) takeBack(current);
});
load();
