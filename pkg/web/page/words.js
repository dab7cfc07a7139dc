// Numbers as people read them: 1234 is 1.23 k.
export function short(n, unit) {
  const steps = ["", " k", " M", " G", " T"];
  let i = 0;
  for (; n >= 1000 && i < steps.length - 1; i++) n /= 1000;
  const digits = i === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return n.toFixed(digits) + (steps[i] || (unit ? " " : "")) + unit;
}

export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + "s";
  if (s < 3600) return Math.floor(s / 60) + "m " + (s % 60) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h " + Math.floor((s % 3600) / 60) + "m";
  return Math.floor(s / 86400) + "d " + Math.floor((s % 86400) / 3600) + "h";
}

export function plural(n, noun) {
  return n + " " + noun + (n === 1 ? "" : "s");
}

// zero tells whether a time is none.
export const zero = (t) => !t || t.startsWith("0001-");
