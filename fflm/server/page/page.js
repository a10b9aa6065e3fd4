"use strict";
// The page asks the JSON interface (see /openapi.json) and shows the answers. Text is put in as text, never as HTML.

const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// The token stands behind the # of the address, where no log gets it; it stays with this tab.

const token = (() => {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (found) {
    sessionStorage.setItem("token", decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token");
})();

async function ask(path, asked) {
  const options = { headers: {} };
  if (token) options.headers.authorization = "Bearer " + token;
  if (asked) {
    Object.assign(options, { method: "POST", body: JSON.stringify(asked) });
    options.headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch("/api/" + path, options);
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  const found = await answer.json().catch(() => ({ error: "the server answered " + answer.status }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}

function say(error) {
  $("problem").hidden = !error;
  $("problem").textContent = error ? error.message : "";
}

// What is asked last counts: an answer that comes late is dropped.

const latest = {};

async function show(name, path, asked, shown) {
  const number = (latest[name] = (latest[name] || 0) + 1);
  try {
    const found = await ask(path, asked);
    if (latest[name] !== number) return;
    say(null);
    shown(found);
  } catch (error) {
    if (latest[name] === number) say(error);
  }
}

// Models

let models = [];
const model = () => models.find((one) => one.name === $("model").value);

async function readModels() {
  try {
    models = (await ask("models")).models;
  } catch (error) {
    return say(error);
  }
  $("model").replaceChildren(...models.map((one) => make("option", { value: one.name }, one.name)));
  $("second").append(...models.map((one) => make("option", { value: one.name }, one.name)));
  $("second").closest("label").hidden = models.length < 2;
  changed();
}

function changed() {
  const one = model();
  if (!one) return;
  const number = (value, what) => value.toLocaleString("en") + " " + what;
  $("about").textContent = one.kind
    ? [one.kind, number(one.words, "words"), number(one.parameters, "parameters"), "reach " + one.reach].join(", ")
    : one.problem;
  $("tab-words").hidden = !one.vectors;
  $("tab-run").hidden = !one.run;
  $("map").replaceChildren();
  $("near").replaceChildren();
  const open = document.querySelector('[role="tab"][aria-selected="true"]');
  select(open.hidden ? $("tab-predict") : !one.kind && one.run ? $("tab-run") : open);
}

// Tabs

const tabs = [...document.querySelectorAll('[role="tab"]')];
let timer = null;

function select(tab) {
  clearInterval(timer);
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  say(null);
  if (tab.id === "tab-predict") predict();
  if (tab.id === "tab-words" && !$("map").children.length) drawMap();
  if (tab.id === "tab-run") watch();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const seen = tabs.filter((each) => !each.hidden);
    const next = seen[(seen.indexOf(tab) + step + seen.length) % seen.length];
    select(next);
    next.focus();
  });
}

// Next words

let looked = null; // the word whose influence is shown, if one was chosen

function divided(text) {
  const one = model();
  if (!one || one.tokenizer === "char") return [text, ""];
  const begun = /[^\s]*$/.exec(text)[0];
  return /^[\p{L}\p{N}_'-]+$/u.test(begun) ? [text.slice(0, text.length - begun.length), begun] : [text, ""];
}

function predict() {
  if (!model() || !model().kind) return;
  const [context, prefix] = divided($("context").value);
  const asked = { model: model().name, context, prefix, top: 12, influence: true, word: looked };
  show("predict", "predict", asked, (found) => {
    if (!found.predictions.length && prefix) return predictWhole();
    shownWords(found, prefix);
  });
}

function predictWhole() {
  const asked = { model: model().name, context: $("context").value, top: 12, influence: true, word: looked };
  show("predict", "predict", asked, (found) => shownWords(found, ""));
}

function shownWords(found, prefix) {
  const most = Math.max(...found.predictions.map((one) => one.probability), 1e-30);
  const names = [...new Set(found.predictions.flatMap((one) => Object.keys(one.parts || {})))];
  $("next").tBodies[0].replaceChildren(...found.predictions.map((one) => {
    const parts = Object.entries(one.parts || { "": one.probability });
    const pieces = parts.map(([name, value]) => {
      const piece = make("span", { class: "part-" + (Math.max(names.indexOf(name), 0) % 4), title: name + " " + value.toPrecision(3) });
      piece.style.width = (100 * value) / most + "%";
      return piece;
    });
    const choose = () => { looked = one.word; predict(); };
    return make("tr", {},
      make("td", {}, make("button", { type: "button", "aria-label": "write " + seen(one.word), onclick: () => write(one.word, prefix) }, seen(one.word))),
      make("td", { class: "number" }, one.probability.toFixed(4)),
      make("td", {}, make("button", { type: "button", class: "bar", "aria-label": "what the context adds to " + seen(one.word), onclick: choose }, ...pieces)));
  }));
  $("legend").replaceChildren(...names.flatMap((name, i) => [make("span", { class: "key part-" + (i % 4) }), name]));
  $("influence-title").textContent = found.word === null ? "What the context adds" : "What the context adds to " + seen(found.word);
  const words = (found.influence || []).flatMap((one) => {
    const shade = make("span", { title: one.bits.toFixed(2) + " bits" }, seen(one.token));
    const strength = Math.min(Math.abs(one.bits) / 4, 1);
    shade.style.backgroundColor = `color-mix(in srgb, var(${one.bits < 0 ? "--second" : "--first"}) ${Math.round(60 * strength)}%, transparent)`;
    return [shade, make("sub", {}, make("span", { class: "unseen" }, " adds "), (Math.round(10 * one.bits) / 10 || 0).toFixed(1)), " "];
  });
  $("influence").replaceChildren(...words);
}

const seen = (word) => ({ "\n": "line end", " ": "blank", "</s>": "end of line" })[word] || word;

function write(word, prefix) {
  const box = $("context");
  const char = model().tokenizer === "char";
  let text = box.value.slice(0, box.value.length - prefix.length);
  if (word === "</s>" || word === "<eos>") text = text.trimEnd() + "\n";
  else if (char) text += word;
  else if (/^[.,;:!?)\]}]$/.test(word)) text = text.trimEnd() + word + " ";
  else text += (text && !/\s$/.test(text) ? " " : "") + word + " ";
  box.value = text;
  looked = null;
  box.focus();
  predict();
}

let waiting = null;
$("context").addEventListener("input", () => {
  looked = null;
  clearTimeout(waiting);
  waiting = setTimeout(predict, 80);
});

// Samples

const sliders = { temperature: (v) => v, "top-p": (v) => `probability ${v}`, tokens: (v) => v, samples: (v) => v };
for (const [id, text] of Object.entries(sliders)) {
  const update = () => { $(id + "-now").textContent = text($(id).value); };
  $(id).addEventListener("input", update);
  update();
}

function sample() {
  const number = (id) => Number($(id).value);
  const asked = {
    model: model().name, prompt: $("prompt").value, temperature: number("temperature"), tokens: number("tokens"),
    samples: number("samples"), seed: Math.max(0, Math.floor(number("seed"))), top_p: number("top-p"),
  };
  show("sample", "sample", asked, (found) => {
    $("samples-out").replaceChildren(...found.samples.map((one) =>
      make("li", { class: "text" }, make("b", {}, one.prompt), one.prompt && !/\s$/.test(one.prompt) ? " " : "", one.text)));
  });
}
$("sample-form").addEventListener("submit", (event) => { event.preventDefault(); sample(); });
$("again").addEventListener("click", () => { $("seed").value = Number($("seed").value) + 1; sample(); });

// Surprisal

$("score-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  const second = $("second").value;
  const asked = { text, models: [model().name, ...(second && second !== model().name ? [second] : [])] };
  show("score", "score", asked, (found) => {
    $("word-now").textContent = "";
    $("scored").replaceChildren(...found.texts.map((one) => coloured([...text], one)));
  });
});

function coloured(characters, one) {
  const pieces = [];
  const spans = [];
  let at = 0;
  for (const word of one.words) {
    pieces.push(characters.slice(at, word.start).join(""));
    const span = make("span", { class: word.unknown ? "unknown" : null, title: described(word) }, characters.slice(word.start, word.end).join(""));
    const share = Math.min((word.surprisal === null ? 16 : word.surprisal) / 16, 1);
    span.style.backgroundColor = `color-mix(in srgb, var(--second) ${Math.round(75 * share)}%, transparent)`;
    span.addEventListener("mouseenter", () => choose(spans.indexOf(span)));
    spans.push(span);
    pieces.push(span);
    at = word.end;
  }
  pieces.push(characters.slice(at).join(""));
  let place = -1;
  const choose = (next) => {
    if (!spans.length) return;
    if (spans[place]) spans[place].classList.remove("chosen");
    place = Math.min(Math.max(next, 0), spans.length - 1);
    spans[place].classList.add("chosen");
    $("word-now").textContent = `${one.model}: ${described(one.words[place])}`;
  };
  const box = make("div", { class: "text scored", tabindex: "0", role: "group", "aria-label": "Text coloured by " + one.model }, ...pieces);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(place + step);
    spans[place].scrollIntoView({ block: "nearest" });
  });
  const figure = (value) => (value === null ? "none" : value.toFixed(3));
  return make("div", {},
    make("h2", {}, one.model),
    make("p", { class: "small" }, `${figure(one.bits_per_word)} bits a word, ${figure(one.bits_per_character)} a character, ${one.unknown} unknown`),
    box);
}

const described = (word) =>
  `${word.word}: ${word.surprisal === null ? "no probability" : word.surprisal.toFixed(2) + " bits"}${word.unknown ? ", unknown" : ""}`;

// Words

function drawMap() {
  show("map", "map", { model: model().name, words: Math.round(Math.min(220, Math.max(60, innerWidth / 5))) }, (found) => {
    $("map-method").textContent = `The most frequent words: near each other are those with similar vectors (${found.method}).`;
    $("map").replaceChildren(...found.words.map((one) => {
      const button = make("button", { type: "button", onclick: () => neighbors(one.word) }, one.word);
      button.style.left = 4 + 92 * one.x + "%";
      button.style.top = 2 + 96 * one.y + "%";
      return button;
    }));
  });
}

function neighbors(word) {
  $("word").value = word;
  show("near", "neighbors", { model: model().name, word, top: 15 }, (found) => {
    $("near-title").textContent = "Neighbors of " + word;
    $("near").replaceChildren(...found.neighbors.map((one) =>
      make("li", {}, make("button", { type: "button", onclick: () => neighbors(one.word) }, one.word), ` ${one.cosine.toFixed(3)}`)));
    const near = new Set([word, ...found.neighbors.map((one) => one.word)]);
    for (const button of $("map").children) button.classList.toggle("near", near.has(button.textContent));
  });
}
$("words-form").addEventListener("submit", (event) => { event.preventDefault(); neighbors($("word").value); });

// Training

function watch() {
  const look = () => show("run", "run", { model: model().name }, (found) => {
    const last = found.history.at(-1);
    const figure = (value) => (value === null ? "none" : value.toFixed(2));
    $("run-state").textContent = found.finished
      ? `Finished. The run's model: validation perplexity ${figure(found.valid_perplexity)}` +
        (found.test_perplexity === null ? "" : `, test ${figure(found.test_perplexity)}`)
      : last ? `Training: ${last.epochs.toFixed(2)} epochs, validation perplexity of the network ${figure(last.valid_perplexity)}`
      : "Training: no validation yet";
    drawCurve(found.history);
    $("history").tBodies[0].replaceChildren(...found.history.slice().reverse().map((one) => make("tr", {},
      make("td", {}, one.epochs.toFixed(2)), make("td", {}, one.seconds.toFixed(0)),
      make("td", {}, figure(one.valid_perplexity)), make("td", { class: "text" }, one.sample || ""))));
    if (found.finished) clearInterval(timer);
  });
  timer = setInterval(look, 2000);
  look();
}

function drawCurve(validations) {
  const points = validations.filter((one) => one.valid_perplexity).map((one) => [one.epochs, one.valid_perplexity]);
  if (points.length < 2) return $("curve").replaceChildren();
  const [width, height, left, bottom, top] = [640, 260, 60, 40, 20];
  const ys = points.map((p) => Math.log(p[1]));
  const xs = points.map((p) => p[0]);
  const scale = (v, low, high, first, last) => (high === low ? (first + last) / 2 : first + ((last - first) * (v - low)) / (high - low));
  const at = points.map((p, i) => [scale(xs[i], 0, Math.max(...xs), left, width - 20), scale(ys[i], Math.min(...ys), Math.max(...ys), height - bottom, top)]);
  const node = (tag, attributes, ...children) => {
    const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    found.append(...children);
    return found;
  };
  const label = (x, y, text, anchor) => node("text", { x, y, "text-anchor": anchor }, text);
  const values = points.map((p) => p[1]);
  $("curve").replaceChildren(node("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Validation perplexity, from ${values[0].toFixed(1)} to ${values.at(-1).toFixed(1)}` },
    node("line", { x1: left, y1: height - bottom, x2: width - 20, y2: height - bottom }),
    node("line", { x1: left, y1: top, x2: left, y2: height - bottom }),
    node("polyline", { points: at.map((p) => p.join(",")).join(" ") }),
    ...at.map((p) => node("circle", { cx: p[0], cy: p[1], r: 3 })),
    label(left - 6, top + 4, Math.max(...values).toFixed(1), "end"),
    label(left - 6, height - bottom, Math.min(...values).toFixed(1), "end"),
    label(left, height - bottom + 18, "0", "middle"),
    label(width - 20, height - bottom + 18, Math.max(...xs).toFixed(1), "end"),
    label((left + width) / 2, height - 6, "epochs; validation perplexity, logarithmic", "middle")));
}

$("model").addEventListener("change", changed);
readModels();
