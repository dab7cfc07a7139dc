// Charts: small lines without axes, of what was in the last minute or so.
export const few = 20; // the points for which a chart has room at least
const points = 90; // of a chart: seconds, more or less
export const past = new Map(); // of rates by id, "" being the sum

export function chart(label) {
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

export function plot(svg, values) {
  const most = Math.max(1, ...values);
  const step = (points - 1) / (Math.max(values.length, few) - 1); // a young chart is drawn larger
  const x = (i) => (points - 1 - (values.length - 1 - i) * step).toFixed(1);
  const at = values.map((v, i) => `${x(i)} ${(29 - (27 * v) / most).toFixed(1)}`);
  svg.lastChild.setAttribute("d", at.length > 1 ? "M" + at.join("L") : "");
  svg.firstChild.setAttribute("d", at.length > 1 ? `M${x(0)} 30L${at.join("L")}L${points - 1} 30Z` : "");
}

export function remember(id, ...values) {
  let rows = past.get(id);
  if (!rows) past.set(id, (rows = values.map(() => [])));
  values.forEach((v, i) => {
    rows[i].push(v);
    if (rows[i].length > points) rows[i].shift();
  });
}
