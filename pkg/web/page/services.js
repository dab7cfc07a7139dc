// The services: a card for each. Frames are taken in at once, and drawn in small
// portions so that a page of thousands of servers stays smooth.
import { chart, few, past, plot } from "./chart.js";
import { $, flash, make, name, text } from "./dom.js";
import { now, state } from "./state.js";
import { short, span } from "./words.js";

const portion = 8; // ms of drawing in one go
export const cards = new Map(); // of services by id
export const dirty = new Set(); // ids of services to draw

// What a server is, in a word, and how grave that is.
export function stateOf(r) {
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

export const serves = (r) => !r.missing && r.weight > 0;
export const counts = (r) => r.name && !r.fallback && r.configured > 0;

// What a service is: [how grave, in words].
export function verdictOf(s) {
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

export function titleOf(s) {
  return s.name || s.id;
}

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
  const rows = past.get(id);
  if (rows) plot(c.chart, rows[0]);
  if (!c.details.open) return;
  const unanswered = s.asked && s.asked.telling ? `Unanswered? Clients sent ${s.asked.repeated} of ${s.asked.syns} SYNs again in ${Math.round(s.asked.seconds)} s.` : "";
  const note = s.ignoring ? "So few servers are up that their failures are not believed." : s.lost ? "Too little weight is up: the fallback serves, if there is one." : unanswered;
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
    if (row.word && row.word !== word) flash(row.tr);
    row.word = word;
    const values = [r.configured !== undefined && r.weight !== r.configured ? `${r.weight} of ${r.configured}` : String(r.weight),
      short(r.active || 0, ""), short(r.inactive || 0, ""), short(r.cps || 0, ""), short(r.in || 0, "B/s"), short(r.out || 0, "B/s")];
    values.forEach((v, j) => text(row.cells[j], v));
  });
}

// arrange puts the cards in order, without touching those that stand right.
export function arrange() {
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

export function filter() {
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

let planned = false;

export function soon() {
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

export function forget(id) {
  state.services.delete(id);
  past.delete(id);
  const c = cards.get(id);
  if (!c) return;
  seen.unobserve(c.details);
  c.details.remove();
  cards.delete(id);
}
