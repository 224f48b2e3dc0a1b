// The admin page: log in, invite, watch. It shows no answers.

const $ = id => document.getElementById(id);

async function ask(method, path, body) {
  const response = await fetch("/admin/api/" + path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const said = await response.json().catch(() => ({}));
  if (response.status === 401) showLogin();
  if (!response.ok) throw new Error(typeof said.detail === "string" ? said.detail : "That did not work (" + response.status + ").");
  return said;
}

function showLogin() {
  $("login").hidden = false;
  $("inside").hidden = true;
}

function row(...cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const node = document.createElement("td");
    node.append(cell ?? "");
    line.append(node);
  }
  return line;
}

function action(text, name, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.setAttribute("aria-label", name);
  button.onclick = () => attempt(async () => { await act(); await refresh(); });
  return button;
}

async function refresh() {
  const seen = await ask("GET", "overview");
  $("login").hidden = true;
  $("inside").hidden = false;
  document.title = $("title").textContent = seen.title + ": administration";
  if (!$("site").options.length) $("site").append(...seen.sites.map(site => new Option(site, site)));
  const finished = seen.participants.filter(one => one.finished).length;
  $("summary").textContent = `${seen.participants.length} invited, ${finished} finished, ${seen.withdrawn} withdrawn. Toolbox: ${seen.toolbox}`;
  $("participants").replaceChildren(...seen.participants.map(one => {
    const progress = one.finished ? "finished" : one.planned ? "under way" : one.opened ? "opened" : "invited";
    const state = one.pilot ? progress + ", pilot" : progress;
    const doing = document.createElement("span");
    doing.append(
      action("Allow another browser", "Allow another browser for " + one.code, () => ask("POST", `participants/${one.code}/release`)), " ",
      action("Delete", "Delete " + one.code, async () => { if (confirm("Delete everything about " + one.code + "?")) await ask("DELETE", "participants/" + one.code); }),
    );
    return row(one.code, one.site, one.group, one.age_months, one.list_number, `${one.answered} of ${one.planned}`, state, doing);
  }));
  $("events").replaceChildren(...seen.events.map(event => row(event.time.slice(0, 19).replace("T", " "), event.kind, event.code, event.detail)));
}

async function attempt(act) {
  $("problem").textContent = "";
  try { await act(); } catch (error) { $("problem").textContent = error.message; }
}

const onSubmit = (id, act) => $(id).addEventListener("submit", event => { event.preventDefault(); attempt(act); });

onSubmit("login", async () => {
  const password = $("password").value;
  $("password").value = "";
  await ask("POST", "login", { password });
  await refresh();
});
onSubmit("invite", async () => {
  const age = $("age").value;
  if (age && age <= 6 && !confirm(`${age} months, not ${age} years (${12 * age} months)?`)) return;
  const wish = { group: $("group").value, site: $("site").value, age_months: age ? Number(age) : null, count: Number($("count").value), pilot: $("pilot").value === "pilot" };
  const made = await ask("POST", "links", wish);
  const lines = made.map(link => Object.assign(document.createElement("a"), { href: link.url, target: "_blank", rel: "noopener", textContent: link.code + "  " + link.url }));
  $("links-made").replaceChildren(...lines);
  $("copy").onclick = () => attempt(() => navigator.clipboard.writeText(lines.map(line => line.textContent).join("\n")));
  $("copy").hidden = !navigator.clipboard; // browsers have none where the page came over plain http
  $("links").hidden = false;
  await refresh();
});
onSubmit("secrets", async () => {
  await ask("POST", "secrets", { password: $("new-password").value, pin: $("new-pin").value });
  $("new-password").value = $("new-pin").value = "";
  await refresh();
});
$("logout").onclick = () => attempt(async () => { await ask("POST", "logout"); showLogin(); });
attempt(async () => ((await ask("GET", "session")).open ? refresh() : showLogin()));
