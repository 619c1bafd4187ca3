// Finds and creates elements of the page, and handles arrow keys in groups of buttons.

export const element = (id) => document.getElementById(id);

/** Creates an element with properties, `data-` and `aria-` attributes, and children. */
export function make(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
}

/** Creates an SVG element with attributes and children. */
export function draw(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Makes the buttons of a group one tab stop: arrow keys move the focus to the next or previous button. */
export function rove(group) {
  const buttons = () => [...group.querySelectorAll("button")];
  const settle = (chosen) => buttons().forEach((button) => { button.tabIndex = button === chosen ? 0 : -1; });
  settle(buttons()[0]);
  group.onkeydown = (event) => {
    const all = buttons();
    const at = all.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = { Home: 0, End: all.length - 1 }[event.key] ?? (step && (at + step + all.length) % all.length);
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    settle(all[next]);
    all[next].focus();
  };
}

/** Lets the browser save a blob as a file. */
export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
