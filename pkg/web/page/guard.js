// The guard in front of the VIPs; absent without one. The director counts, and the
// page works out what came in a second from one frame to the next.
import { chart, past, plot, remember } from "./chart.js";
import { $, flash, make, name, text } from "./dom.js";
import { titleOf } from "./services.js";
import { now, state } from "./state.js";
import { plural, short } from "./words.js";

const least = 0.9; // s between two readings of which a rate is made
const fewVIPs = 5; // that are open at first
const mostAsked = 20; // services in the table of those that clients asked again
const counts = [0, 1, 2, 3]; // packets and bytes that passed, packets and bytes that were dropped

let readings = []; // of the counters: the newest, and back to one that is old enough for a rate

// takeGuard takes in what a frame says of the guard.
export function takeGuard(f) {
  if (f.guard !== undefined) state.guard = f.guard;
  const g = state.guard;
  if (!g || !g.loaded) {
    readings = [];
    return;
  }
  const at = now(), newest = readings[readings.length - 1];
  if (newest && at < newest.at) readings = []; // the clock was set
  if (newest && at === newest.at) return;
  readings.push({ at, counters: countersOf(g) });
  while (readings.length > 1 && readings[1].at <= at - least) readings.shift();
}

function countersOf(g) {
  const counters = new Map();
  for (const v of g.vips) {
    counters.set(v.vip, totalOf(v));
    for (const r of v.rules) counters.set(keyOf(v, r), ruleTotal(r));
  }
  return counters;
}

const keyOf = (v, r) => v.vip + " " + r.rule;
const totalOf = (v) => [v.passed.packets, v.passed.bytes, v.dropped.packets, v.dropped.bytes];
const ruleTotal = (r) => [r.passed || 0, 0, r.dropped || 0, 0];

// perSecond is what a VIP or a rule of it counted in a second, null where that is
// not known: at first, and when counting began anew.
function perSecond(vip, key) {
  const old = readings[0], last = readings[readings.length - 1];
  if (!old || old === last || !old.counters.has(vip)) return null;
  const before = old.counters.get(key) || [0, 0, 0, 0], after = last.counters.get(key) || before;
  if (counts.some((i) => after[i] < before[i])) return null;
  return counts.map((i) => (after[i] - before[i]) / (last.at - old.at));
}

// sums are those of all VIPs, and how many packets rules for dropping decided over:
// now in a second, and in all.
function sums(g) {
  const now = [0, 0, 0, 0], total = [0, 0, 0, 0];
  let against = 0, againstTotal = 0;
  for (const v of g.vips) {
    const rate = perSecond(v.vip, v.vip) || [0, 0, 0, 0], all = totalOf(v);
    for (const i of counts) now[i] += rate[i], (total[i] += all[i]);
    for (const r of v.rules.filter((r) => r.drops)) {
      const one = perSecond(v.vip, keyOf(v, r)) || [0, 0, 0, 0];
      against += one[0] + one[2];
      againstTotal += (r.passed || 0) + (r.dropped || 0);
    }
  }
  return { now, total, against, againstTotal };
}

// sampleGuard adds a point to the charts.
export function sampleGuard() {
  const g = state.guard;
  if (!g || !g.loaded) {
    past.delete("guard");
    return;
  }
  const s = sums(g);
  remember("guard", s.now[0], g.enforce ? s.now[2] : s.against);
}

// guardProblems are those that the page's verdict counts.
export function guardProblems() {
  const g = state.guard;
  if (!g) return [];
  if (!g.loaded) return ["The guard is not loaded: it drops nothing"];
  return [...g.interfaces.filter((i) => !i.mode).map((i) => `The guard is not attached to ${i.interface}`), ...(g.problems || []).map((p) => "Guard: " + p)];
}

// ---- drawing ----

const modes = { driver: "in the driver", generic: "generic" };

function badgesOf(g) {
  const interfaces = g.interfaces.map((i) => (i.mode ? ["idle", `${i.interface}: ${modes[i.mode] || i.mode}`] : ["bad", `${i.interface}: not attached`]));
  if (!g.loaded) return [["bad", "not loaded"], ...interfaces];
  return [g.enforce ? ["good", "enforcing"] : ["warn", "counting only"], ...interfaces];
}

function troublesOf(g) {
  const list = (g.problems || []).map((p) => ["warn", p]);
  if (!g.loaded) return [["bad", "It could not be loaded, so nothing is dropped" + (g.error ? ":\n" + g.error : " yet.")], ...list];
  if (g.error) return [["bad", g.error], ...list];
  return list;
}

// draws gives a list as many children as there are items, with their class and text,
// and marks those that change.
function draws(list, tag, before, items) {
  while (list.children.length > items.length) list.lastChild.remove();
  items.forEach(([grave, words], i) => {
    const e = list.children[i] || list.appendChild(make(tag, {}));
    const changed = e.textContent && e.textContent !== words;
    const flashes = e.classList.contains("flash");
    if (!e.classList.contains(grave)) name(e, before + grave + (flashes ? " flash" : ""));
    text(e, words);
    if (changed) flash(e);
  });
}

export function drawGuard() {
  const g = state.guard;
  $("guard").hidden = !g;
  if (!g) return;
  draws($("guard-badges"), "span", "badge ", badgesOf(g));
  draws($("guard-problems"), "li", "", troublesOf(g));
  $("guard-numbers").hidden = !g.loaded;
  if (!g.loaded) return;
  drawGuardTiles(g);
  if (!rows.size) $("guard-fold").open = g.vips.length <= fewVIPs;
  drawRows(g);
  drawAsked();
}

// asks are the services of which is known what clients asked, those with most
// repetitions first.
function asks() {
  const list = [...state.services.values()].filter((s) => s.asked);
  return list.sort((a, b) => b.asked.repeated / (b.asked.syns || 1) - a.asked.repeated / (a.asked.syns || 1));
}

function drawGuardTiles(g) {
  const s = sums(g), lines = past.get("guard") || [[], []];
  const tiles = $("guard-tiles").children;
  tile(tiles[0], "Packets passed", rateWords(s.now[0], "/s"), `${rateWords(s.now[1], "B/s")} · ${short(s.total[0], "")} packets in all`, lines[0]);
  if (g.enforce) tile(tiles[1], "Packets dropped", rateWords(s.now[2], "/s"), `${rateWords(s.now[3], "B/s")} · ${short(s.total[2], "")} packets in all`, lines[1]);
  else tile(tiles[1], "Packets it would drop", rateWords(s.against, "/s"), `${short(s.againstTotal, "")} packets in all`, lines[1]);
  name(tiles[1], "tile" + ((g.enforce ? s.now[2] : s.against) > 0 ? " hot" : ""));
  tile(tiles[2], "Block list", plural(g.block, "network"), [g.commanded ? `${g.commanded} by command` : "", `${plural(g.allow, "network")} on the allow list`].filter(Boolean).join(" · "));
}

function tile(e, title, value, note, line) {
  if (!e.children.length) e.append(make("span", { class: "muted" }), make("span", { class: "value" }), make("span", { class: "muted note" }), ...(line ? [chart("")] : []));
  [title, value, note].forEach((words, i) => text(e.children[i], words));
  if (line) plot(e.children[3], line);
}

function rateWords(n, unit) {
  if (n > 0 && n < 1) return "<1" + (unit ? " " + unit : "");
  return short(Math.round(n), unit);
}

// ---- the table ----

const labels = ["Passed/s", "Bytes/s", "Passed", "Bytes", "Dropped/s", "Bytes/s", "Dropped", "Bytes"]; // on a small screen
const rows = new Map(); // of VIPs and their rules, by key

function buildGuardRow(kind, young) {
  const who = make("span", { class: "who" }), note = make("span", { class: "muted" });
  const cells = labels.map((label) => make("td", { role: "cell", "data-label": label }));
  const tr = make("tr", { class: kind, role: "row" }, make("th", { scope: "row", role: "rowheader" }, who, " ", note), ...cells);
  return { tr, who, note, cells, kind, drops: young ? null : false };
}

// drawRows puts the rows in order, without touching those that stand right.
function drawRows(g) {
  if (!$("guard-fold").open && rows.size) return;
  const body = $("guard-rows"), stale = new Set(rows.keys()), young = !rows.size;
  let at = body.firstChild;
  const put = (kind, vip, key, who, note, total) => {
    stale.delete(key);
    let row = rows.get(key);
    if (!row) rows.set(key, (row = buildGuardRow(kind, young)));
    if (row.tr === at) at = at.nextSibling;
    else body.insertBefore(row.tr, at);
    drawRow(row, who, note, perSecond(vip, key), total);
  };
  for (const v of g.vips) {
    put("vip", v.vip, v.vip, v.vip, "", totalOf(v));
    for (const r of v.rules) put("rule", v.vip, keyOf(v, r), r.rule, r.drops && !g.enforce ? "would be dropped" : "", ruleTotal(r));
  }
  for (const key of stale) {
    rows.get(key).tr.remove();
    rows.delete(key);
  }
}

// drawRow writes a row, and marks one that begins to drop.
function drawRow(row, who, note, rate, total) {
  text(row.who, who);
  text(row.note, note);
  const nows = rate || [null, null, null, null];
  const shown = [nows[0], nows[1], total[0], total[1], nows[2], nows[3], total[2], total[3]];
  row.cells.forEach((cell, i) => drawNumber(cell, i, shown[i], row.kind));
  if (!rate) return;
  const drops = rate[2] > 0;
  if (drops && row.drops === false) flash(row.tr);
  row.drops = drops;
}

// drawNumber writes the number of a column; of rules only packets are counted.
function drawNumber(cell, column, n, kind) {
  const bytes = column % 2 === 1, current = column % 4 < 2, dropped = column > 3;
  const words = n === null ? "–" : rateWords(n, bytes ? "B" : "");
  text(cell, bytes && kind === "rule" ? "" : words);
  name(cell, "num" + (column % 4 === 0 ? " edge" : "") + (bytes ? " bytes" : "") + (!n ? " quiet" : current && dropped ? " hot" : ""));
}

// ---- what clients asked again ----

function drawAsked() {
  const known = asks(), again = known.filter((s) => s.asked.repeated > 0);
  $("asked").hidden = !known.length;
  const period = Math.round(Math.max(0, ...known.map((s) => s.asked.seconds)));
  text($("asked-words"), again.length ? `Clients ask again when nobody answers: an early sign of servers that fail. These are the last ${period} s.`
    : `No client had to ask again in the last ${period} s.`);
  $("asked-scroll").hidden = !again.length;
  $("asked-rows").replaceChildren(...again.slice(0, mostAsked).map(askedRow));
}

function askedRow(s) {
  const a = s.asked, share = rateWords((100 * a.repeated) / (a.syns || 1), "");
  const cells = [["Asked for", short(a.syns, "")], ["Asked again", short(a.repeated, "")], ["Share", share + " %"]];
  return make("tr", { role: "row", class: a.telling ? "telling" : "" }, make("th", { scope: "row", role: "rowheader" }, titleOf(s)),
    ...cells.map(([label, words]) => make("td", { class: "num", role: "cell", "data-label": label }, words)));
}

$("guard-fold").addEventListener("toggle", drawGuard);
for (let i = 0; i < 3; i++) $("guard-tiles").append(make("div", { class: "tile" }));
