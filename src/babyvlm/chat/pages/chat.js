// The talking page: pictures or a clip and a question go, a reply with the probability of each option comes.

const conversation = crypto.getRandomValues(new Uint32Array(2)).join("-");
const $ = id => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

async function base64(file) {
  const address = await new Promise((resolve, reject) => {
    const reader = Object.assign(new FileReader(), { onload: () => resolve(reader.result), onerror: () => reject(reader.error) });
    reader.readAsDataURL(file);
  });
  return address.slice(address.indexOf(",") + 1);
}

async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(typeof said.detail === "string" ? said.detail : "That was not understood (" + response.status + ").");
  return said;
}

const previews = () => [...$("files").files].map(file => {
  const src = URL.createObjectURL(file);
  return file.type.startsWith("video/") ? make("video", { src, controls: true }) : make("img", { src, alt: file.name });
});

function show(question, pictures, said) {
  const chances = said.options.map(one => {
    const percent = (100 * one.probability).toFixed(1) + "%";
    const meter = make("meter", { max: 1, value: one.probability });
    meter.setAttribute("aria-label", `${one.option}: ${percent}`);
    return make("div", { className: "chance" }, make("span", { textContent: one.option }), meter, make("span", { textContent: percent }));
  });
  const reply = said.problem ? "No reply: " + said.problem : said.reply || "(an empty reply)";
  const article = make("article", {},
    make("div", { className: "pictures" }, ...pictures),
    make("p", { className: "question", textContent: question }),
    make("p", { className: "reply", textContent: reply }),
    ...chances);
  $("said").append(article);
  article.scrollIntoView({ block: "nearest" });
}

$("files").onchange = () => $("shown").replaceChildren(...previews());
$("prompt").addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!$("send").disabled) $("ask").requestSubmit();
});
$("ask").addEventListener("submit", async event => {
  event.preventDefault();
  $("problem").textContent = "";
  $("send").disabled = true;
  $("send").textContent = "Asking …";
  try {
    const files = [...$("files").files], question = $("prompt").value;
    const clips = files.filter(file => file.type.startsWith("video/"));
    if (clips.length > 1) throw new Error("One clip at a time, please.");
    const said = await post("/api/ask", {
      conversation,
      prompt: question,
      options: $("options").value.split(",").map(option => option.trim()).filter(Boolean),
      pictures: await Promise.all(files.filter(file => !clips.includes(file)).map(base64)),
      clip: clips.length ? await base64(clips[0]) : "",
    });
    show(question, previews(), said);
    $("prompt").value = $("files").value = "";
    $("shown").replaceChildren();
  } catch (error) {
    $("problem").textContent = error.message;
  }
  $("send").disabled = false;
  $("send").textContent = "Ask";
  $("prompt").focus();
});
$("forget").onclick = async () => {
  await post("/api/forget", { conversation });
  $("said").replaceChildren();
  $("problem").textContent = "";
  $("prompt").focus();
};
