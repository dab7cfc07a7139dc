// The status page of lvsd. A stream of frames (/events) says what has changed;
// frames are taken in at once, and drawn in small portions so that a page of
// thousands of servers stays smooth. Everything is written as text, never as HTML.
"use strict";

const points = 90; // of a chart: seconds, more or less
const few = 20; // the points for which a chart has room at least, and the services that are open at first
const portion = 8; // ms of drawing in one go
const state = { head: {}, order: [], services: new Map(), changes: [] };
const cards = new Map(); // of services by id
const history = new Map(); // of rates by id, "" being the sum
const dirty = new Set(); // ids of services to draw
const $ = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

function name(e, value) {
  if (e.className !== value) e.className = value;
}

// Numbers as people read them: 1234 is 1.23 k.
function short(n, unit) {
  const steps = ["", " k", " M", " G", " T"];
  let i = 0;
  for (; n >= 1000 && i < steps.length - 1; i++) n /= 1000;
  const digits = i === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return n.toFixed(digits) + (steps[i] || (unit ? " " : "")) + unit;
}

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + "s";
  if (s < 3600) return Math.floor(s / 60) + "m " + (s % 60) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h " + Math.floor((s % 3600) / 60) + "m";
  return Math.floor(s / 86400) + "d " + Math.floor((s % 86400) / 3600) + "h";
}

function plural(n, noun) {
  return n + " " + noun + (n === 1 ? "" : "s");
}

const now = () => Date.parse(state.head.time) / 1000;
const zero = (t) => !t || t.startsWith("0001-");

// What a server is, in a word, and how grave that is.
function stateOf(r) {
  if (!r.name) return ["idle", "not configured"];
  if (r.fallback) return ["warn", "fallback"];
  if (r.state === "down") return ["bad", "down"];
  if (r.missing && r.override) return ["warn", "drained"];
  if (r.missing) return [r.state === "unknown" ? "idle" : "bad", r.state === "unknown" ? "not checked yet" : "missing"];
  if (r.state === "unknown") return [r.weight > 0 ? "idle" : "warn", "not checked yet"];
  if (r.override && r.weight === 0) return ["warn", "drained"];
  if (r.weight === 0 && r.configured > 0) return ["warn", "weight 0"];
  if (r.weight === 0) return ["idle", "weight 0"];
  return ["good", r.state === "up" ? "up" : "serving"];
}

const serves = (r) => !r.missing && r.weight > 0;
const counts = (r) => r.name && !r.fallback && r.configured > 0;

// What a service is: [how grave, in words].
function verdictOf(s) {
  const own = s.servers.filter(counts);
  const up = own.filter(serves).length;
  const words = up + " of " + own.length + " serving";
  if (s.missing) return ["bad", "MISSING"];
  if (s.lost) return ["bad", "quorum lost, " + words];
  if (!s.name) return ["idle", "not configured"];
  if (own.length > 0 && up === 0) return ["bad", words];
  if (s.ignoring) return ["warn", "failures not believed"];
  if (up < own.length) return ["warn", words];
  return ["good", words];
}

function titleOf(s) {
  return s.name || s.id;
}

// ---- charts ----

function chart(label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${points - 1} 30`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  for (const c of ["area", "line"]) {
    const p = document.createElementNS("http://www.w3.org/2000/svg", "path");
    p.setAttribute("class", c);
    svg.append(p);
  }
  return svg;
}

function plot(svg, values) {
  const most = Math.max(1, ...values);
  const step = (points - 1) / (Math.max(values.length, few) - 1); // a young chart is drawn larger
  const x = (i) => (points - 1 - (values.length - 1 - i) * step).toFixed(1);
  const at = values.map((v, i) => `${x(i)} ${(29 - (27 * v) / most).toFixed(1)}`);
  svg.lastChild.setAttribute("d", at.length > 1 ? "M" + at.join("L") : "");
  svg.firstChild.setAttribute("d", at.length > 1 ? `M${x(0)} 30L${at.join("L")}L${points - 1} 30Z` : "");
}

function remember(id, ...values) {
  let rows = history.get(id);
  if (!rows) history.set(id, (rows = values.map(() => [])));
  values.forEach((v, i) => {
    rows[i].push(v);
    if (rows[i].length > points) rows[i].shift();
  });
}

let sampled = -Infinity;

// sample adds a point to every chart, once a second however many frames come.
function sample() {
  const t = performance.now();
  if (t - sampled < 800) return;
  sampled = t;
  let sum = [0, 0, 0, 0];
  for (const s of state.services.values()) {
    remember(s.id, s.cps);
    const card = cards.get(s.id);
    if (card && card.visible) dirty.add(s.id);
    sum = [sum[0] + s.cps, sum[1] + s.in, sum[2] + s.out, sum[3] + s.active];
  }
  remember("", ...sum);
}

// ---- parts of the page ----

const tiles = [
  ["New connections", (v) => short(v, "/s")],
  ["From clients", (v) => short(v, "B/s")],
  ["To clients", (v) => short(v, "B/s")],
  ["Open connections", (v) => short(v, "")],
];

function buildTiles() {
  const servers = make("div", { class: "tile" }, make("span", { class: "muted" }, "Servers serving"), make("span", { class: "value", id: "serving" }, "–"),
    make("span", { class: "muted", id: "serving-note" }));
  $("tiles").append(servers);
  for (const [title] of tiles) {
    const tile = make("div", { class: "tile" }, make("span", { class: "muted" }, title), make("span", { class: "value" }, "–"), chart(""));
    $("tiles").append(tile);
  }
}

function drawTiles() {
  const rows = history.get("") || [[], [], [], []];
  tiles.forEach(([, words], i) => {
    const tile = $("tiles").children[i + 1];
    text(tile.children[1], words(rows[i].length ? rows[i][rows[i].length - 1] : 0));
    plot(tile.children[2], rows[i]);
  });
  let all = 0, up = 0, down = 0;
  for (const s of state.services.values()) {
    for (const r of s.servers) {
      if (!counts(r)) continue;
      all++;
      if (serves(r)) up++;
      if (r.state === "down") down++;
    }
  }
  text($("serving"), `${up} / ${all}`);
  text($("serving-note"), `in ${plural(state.services.size, "service")}` + (down ? `, ${down} down` : ""));
}

const roleClass = { active: "good", standby: "idle", fault: "bad", undecided: "warn" };

function misplaced(v, vip) {
  if (v.role === "active") return vip.present ? "" : "MISSING";
  return vip.present && v.role !== "undecided" ? "here, though not active" : "";
}

function drawHead() {
  const h = state.head;
  const who = h.director || "lvsd";
  text($("title"), who);
  document.title = (problemCount ? `(${problemCount}) ` : "") + who + " · lvsd";
  text($("here"), `This director (${who})`);
  const roles = [...new Set((h.vrrp || []).map((v) => v.role))];
  $("role").replaceChildren(...roles.map((r) => make("span", { class: "badge " + roleClass[r] }, r)));
  $("directors").hidden = !(h.vrrp || []).length && !h.sync;
  $("instances").replaceChildren(...(h.vrrp || []).map(instanceRow));
  text($("sync"), h.sync ? syncWords(h.sync) : "");
  const d = h.daemon;
  text($("about"), d ? `lvsd ${h.version}, running for ${span(now() - Date.parse(d.started) / 1000)}, configuration of ` +
    `${new Date(d.loaded).toLocaleString()}, kernel compared ${zero(d.checked) ? "not yet" : span(now() - Date.parse(d.checked) / 1000) + " ago"}, ` +
    `${plural(d.drift.repaired, "drift")} repaired` : "");
}

function syncWords(s) {
  const parts = s.daemons.map((role) => `${role} on ${s.interface}`);
  const peers = s.peers.map((p) => `${p.address} holds ${zero(p.answered) ? "an unknown number" : p.connections}`);
  return `Connections are shared: ${parts.join(", ") || "no daemon runs"}; this director holds ${s.here.connections}` +
    (peers.length ? `, ${peers.join(", ")}` : "") + ".";
}

function instanceRow(v) {
  const badge = make("span", { class: "badge " + roleClass[v.role] }, v.role);
  const own = make("td", { role: "cell" }, badge, zero(v.since) ? "" : ` for ${span(now() - Date.parse(v.since) / 1000)}`,
    v.external ? "" : `, priority ${v.priority}`, v.fault ? `: ${v.fault}` : "");
  const vips = v.vips.map((a) => {
    const wrong = misplaced(v, a);
    return make("div", wrong ? { class: "why" } : {}, a.address + (wrong ? " " + wrong : ""));
  });
  return make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, v.name, make("div", { class: "muted" }, v.interface)), own,
    make("td", { role: "cell", "data-label": "The other director" }, v.other), make("td", { role: "cell", "data-label": "VIPs" }, ...vips));
}

let problemCount = 0;

// What is wrong, the gravest first: [how grave, text].
function problems() {
  const h = state.head, d = h.daemon, list = [];
  const add = (grave, t) => list.push([grave, t]);
  if (h.error) add("bad", "The status cannot be read: " + h.error);
  if (d && !d.in_step && !zero(d.checked)) add("bad", "The kernel is not as configured:\n" + (d.errors || []).join("\n"));
  if (d && d.reload_error) add("warn", "The last reload was refused, an older configuration is in force:\n" + d.reload_error);
  for (const v of h.vrrp || []) {
    if (v.role === "fault") add("bad", `${v.name}: fault: ${v.fault}`);
    if (v.other.endsWith("ACTIVE TOO")) add("bad", `${v.name}: ${v.other}`);
    for (const a of v.vips) if (misplaced(v, a)) add("bad", `${v.name}: ${a.address} is ${misplaced(v, a)}`);
  }
  for (const a of h.vips || []) if (!a.present) add("bad", `${a.address} on ${a.interface} is MISSING`);
  for (const role of (h.sync && h.sync.roles) || []) {
    if (!h.sync.daemons.includes(role)) add("bad", `The sync daemon (${role}) on ${h.sync.interface} does not run`);
  }
  for (const p of (h.sync && h.sync.peers) || []) {
    if (p.behind) add("warn", `The director ${p.address} lacks connections: it holds ${p.connections}, this one ${h.sync.here.connections}`);
  }
  for (const o of h.overrides || []) if (o.target === "director") add("warn", `This director is drained by ${o.by}` + (o.reason ? `: ${o.reason}` : ""));
  for (const id of state.order) {
    const s = state.services.get(id);
    if (!s) continue;
    const [grave, words] = verdictOf(s);
    if (grave !== "bad" && grave !== "warn") continue;
    const who = s.servers.filter((r) => counts(r) && !serves(r)).slice(0, 5).map((r) => `${r.name} ${stateOf(r)[1]}` + (r.error ? `: ${r.error}` : ""));
    add(grave, `${titleOf(s)}: ${words}` + (who.length ? ` (${who.join("; ")})` : ""));
  }
  for (const w of h.warnings || []) add("warn", w);
  return list.sort((a, b) => (a[0] === b[0] ? 0 : a[0] === "bad" ? -1 : 1));
}

function drawProblems() {
  const list = problems();
  const grave = list.some((p) => p[0] === "bad") ? "bad" : list.length ? "warn" : "good";
  problemCount = list.length;
  name($("verdict"), "verdict " + grave);
  text($("verdict"), list.length ? plural(list.length, "problem") : "All is well");
  const most = 12;
  const items = list.slice(0, most);
  if (list.length > most) items.push(["warn", `and ${list.length - most} more`]);
  const ul = $("problems");
  while (ul.children.length > items.length) ul.lastChild.remove();
  items.forEach(([g, t], i) => {
    const li = ul.children[i] || ul.appendChild(make("li", {}));
    name(li, g);
    text(li, t);
  });
}

let told = "";

function drawChanges() {
  const newest = state.changes[0];
  const key = newest ? newest.time + newest.text : "";
  if (told && key !== told) text($("announce"), newest.text);
  told = key || "none";
  $("changes").replaceChildren(...(state.changes.length ? state.changes.map((c) =>
    make("li", {}, make("time", { datetime: c.time }, new Date(c.time).toLocaleTimeString()), make("span", c.grave ? { class: "grave" } : {}, c.text)))
    : [make("li", { class: "quiet" }, "Nothing has changed since the director started.")]));
}

// ---- services ----

const seen = new IntersectionObserver((entries) => {
  for (const e of entries) {
    const card = cards.get(e.target.dataset.id);
    if (!card) continue;
    card.visible = e.isIntersecting;
    if (card.visible) dirty.add(card.id);
  }
  soon();
}, { rootMargin: "200px" });

function buildCard(id) {
  const c = { id, visible: false, rows: [], grave: "" };
  c.title = make("b", {});
  c.sub = make("div", { class: "muted" });
  c.words = make("span", {});
  c.cells = make("span", { class: "cells", "aria-hidden": "true" });
  c.cps = make("span", { class: "rate" });
  c.in = make("span", { class: "rate wide" });
  c.out = make("span", { class: "rate wide" });
  c.chart = chart("");
  const summary = make("summary", {}, make("span", { class: "what" }, c.title, c.sub), make("span", { class: "health" }, c.words, c.cells),
    c.cps, c.in, c.out, c.chart);
  c.note = make("p", { class: "note", hidden: "" });
  c.body = make("tbody", {});
  const heads = ["Server", "State", "Weight", "Active", "Inactive", "Conn/s", "In", "Out"];
  const table = make("table", { class: "servers", role: "table" },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads.map((h, i) => make("th", { scope: "col", role: "columnheader", class: i > 1 ? "num" : "" }, h)))), c.body);
  c.body.setAttribute("role", "rowgroup");
  c.table = table;
  c.inner = make("div", { class: "inner" }, c.note, table);
  c.details = make("details", { class: "service", "data-id": id }, summary, c.inner);
  c.details.addEventListener("toggle", () => { dirty.add(id); soon(); });
  seen.observe(c.details);
  cards.set(id, c);
  return c;
}

function rate(e, value, label) {
  if (e.firstChild) text(e.firstChild, value);
  else e.append(make("span", {}, value), make("span", { class: "muted" }, label));
}

function drawService(id) {
  const s = state.services.get(id), c = cards.get(id);
  if (!s || !c) return;
  const [grave, words] = verdictOf(s);
  c.grave = grave;
  name(c.details, "service " + grave);
  text(c.title, titleOf(s));
  text(c.sub, (s.name ? s.id + " · " : "") + s.method);
  text(c.words, words);
  // Of many services, those out of sight are drawn once, for those who do not see,
  // and again when they come into sight.
  const drawn = c.details.open ? c.rows.length === s.servers.length : true;
  if (!c.visible && drawn && state.order.length > few) return;
  drawCells(c, s.servers);
  rate(c.cps, short(s.cps, "/s"), "connections");
  rate(c.in, short(s.in, "B/s"), "in");
  rate(c.out, short(s.out, "B/s"), "out");
  const rows = history.get(id);
  if (rows) plot(c.chart, rows[0]);
  if (!c.details.open) return;
  const note = s.ignoring ? "So few servers are up that their failures are not believed." : s.lost ? "Too little weight is up: the fallback serves, if there is one." : "";
  c.note.hidden = !note;
  text(c.note, note);
  c.table.setAttribute("aria-label", "Real servers of " + titleOf(s));
  drawServers(c, s.servers);
}

function drawCells(c, servers) {
  const list = servers.slice(0, 40);
  while (c.cells.children.length > list.length) c.cells.lastChild.remove();
  list.forEach((r, i) => {
    const e = c.cells.children[i] || c.cells.appendChild(document.createElement("i"));
    name(e, r.fallback ? "spare" : stateOf(r)[0]);
  });
}

const columns = [["Weight", "weight"], ["Active", "active"], ["Inactive", "inactive"], ["Conn/s", "cps"], ["In", "in"], ["Out", "out"]];

function buildRow() {
  const who = make("div", { class: "name" }), where = make("div", { class: "where muted" });
  const badge = make("span", { class: "badge" }), since = make("span", { class: "muted" }), why = make("div", { class: "why" }), said = make("div", { class: "said" });
  const cells = columns.map(([label]) => make("td", { class: "num", role: "cell", "data-label": label }));
  const tr = make("tr", { class: "server", role: "row" }, make("td", { role: "rowheader" }, who, where), make("td", { role: "cell" }, badge, " ", since, why, said), ...cells);
  return { tr, who, where, badge, since, why, said, cells, word: "" };
}

function drawServers(c, servers) {
  while (c.rows.length > servers.length) c.rows.pop().tr.remove();
  servers.forEach((r, i) => {
    let row = c.rows[i];
    if (!row) {
      row = c.rows[i] = buildRow();
      c.body.append(row.tr);
    }
    const [grave, word] = stateOf(r);
    text(row.who, r.name || "–");
    text(row.where, r.address + " · " + r.method);
    name(row.badge, "badge " + grave);
    text(row.badge, word + (r.flapping ? ", flapping" : ""));
    text(row.since, r.since ? "for " + span(now() - r.since) : "");
    text(row.why, r.state === "down" ? r.error || "" : "");
    text(row.said, r.override || "");
    if (row.word && row.word !== word) {
      row.tr.classList.remove("flash");
      void row.tr.offsetWidth; // the animation begins anew
      row.tr.classList.add("flash");
    }
    row.word = word;
    const values = [r.configured !== undefined && r.weight !== r.configured ? `${r.weight} of ${r.configured}` : String(r.weight),
      short(r.active || 0, ""), short(r.inactive || 0, ""), short(r.cps || 0, ""), short(r.in || 0, "B/s"), short(r.out || 0, "B/s")];
    values.forEach((v, j) => text(row.cells[j], v));
  });
}

// arrange puts the cards in order, without touching those that stand right.
function arrange() {
  const list = $("list");
  const open = state.order.length <= few;
  let at = list.firstChild;
  for (const id of state.order) {
    let c = cards.get(id);
    if (!c) {
      c = buildCard(id);
      c.details.open = open;
      if (open) text($("open"), "Close all");
    }
    if (c.details === at) at = at.nextSibling;
    else list.insertBefore(c.details, at);
  }
  filter();
}

function matches(s, words) {
  const all = [s.name, s.id, ...s.servers.map((r) => (r.name || "") + " " + r.address)].join(" ").toLowerCase();
  return words.every((w) => all.includes(w));
}

function filter() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = $("only").checked;
  let shown = 0;
  for (const [id, c] of cards) {
    const s = state.services.get(id);
    const hide = !s || (only && !["bad", "warn"].includes(verdictOf(s)[0])) || (words.length > 0 && !matches(s, words));
    if (c.details.hidden !== hide) c.details.hidden = hide;
    if (!hide) shown++;
  }
  $("none").hidden = shown > 0 || state.order.length === 0 && !only && !words.length;
  text($("none"), state.order.length ? "No service matches." : "There are no services.");
}

// ---- drawing ----

let planned = false;

function soon() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(draw);
}

// draw draws for a moment and leaves the rest to the next frame.
function draw() {
  planned = false;
  const end = performance.now() + portion;
  for (const id of dirty) {
    dirty.delete(id);
    drawService(id);
    if (performance.now() > end) break;
  }
  if (dirty.size) soon();
}

function take(f) {
  if (f.full) {
    for (const id of [...state.services.keys()]) if (!(f.order || []).includes(id)) forget(id);
    state.order = [];
  }
  state.head = f.head;
  for (const id of f.gone || []) forget(id);
  for (const s of f.services || []) {
    state.services.set(s.id, s);
    dirty.add(s.id);
  }
  if (f.order || f.full || f.gone) {
    state.order = f.order || state.order.filter((id) => state.services.has(id));
    arrange();
  } else if (f.services && ($("only").checked || $("find").value)) {
    filter();
  }
  sample();
  drawProblems();
  drawHead();
  drawTiles();
  if (f.changes) {
    state.changes = f.changes;
    drawChanges();
  }
  soon();
}

function forget(id) {
  state.services.delete(id);
  history.delete(id);
  const c = cards.get(id);
  if (!c) return;
  seen.unobserve(c.details);
  c.details.remove();
  cards.delete(id);
}

function live(on, words) {
  name($("live"), "live " + (on ? "on" : "off"));
  text($("live"), words);
}

function watch() {
  const events = new EventSource("events");
  events.onmessage = (e) => {
    take(JSON.parse(e.data));
    live(true, "live · " + new Date(state.head.time).toLocaleTimeString());
  };
  events.onerror = () => {
    live(false, "no connection, trying again" + (state.head.time ? " · as of " + new Date(state.head.time).toLocaleTimeString() : ""));
    if (events.readyState === EventSource.CLOSED) setTimeout(() => { events.close(); watch(); }, 3000);
  };
}

$("find").addEventListener("input", filter);
$("only").addEventListener("change", filter);
$("open").addEventListener("click", () => {
  const open = $("open").textContent === "Open all";
  for (const c of cards.values()) c.details.open = open;
  text($("open"), open ? "Close all" : "Open all");
});
buildTiles();
watch();
