// Elements: all that the page writes is written here, as text and never as HTML.
export const $ = (id) => document.getElementById(id);

export function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

export function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

export function name(e, value) {
  if (e.className !== value) e.className = value;
}

// flash marks what has just changed, for a moment.
export function flash(e) {
  e.classList.remove("flash");
  void e.offsetWidth; // the animation begins anew
  e.classList.add("flash");
}
