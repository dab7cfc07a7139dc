// The status page of lvsd. A stream of frames (/events) says what has changed.
import { chart, past, plot, remember } from "./chart.js";
import { $, make, name, text } from "./dom.js";
import { drawGuard, guardProblems, sampleGuard, takeGuard } from "./guard.js";
import { arrange, cards, counts, dirty, filter, forget, serves, soon, stateOf, titleOf, verdictOf } from "./services.js";
import { now, state } from "./state.js";
import { plural, short, span, zero } from "./words.js";

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
  sampleGuard();
}

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
  const rows = past.get("") || [[], [], [], []];
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
  for (const t of guardProblems()) add("warn", t);
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

function take(f) {
  if (f.full) {
    for (const id of [...state.services.keys()]) if (!(f.order || []).includes(id)) forget(id);
    state.order = [];
  }
  state.head = f.head;
  takeGuard(f);
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
  drawGuard();
  if (f.changes) {
    state.changes = f.changes;
    drawChanges();
  }
  soon();
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
