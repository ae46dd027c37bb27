//! Building DOM nodes without markup: `h('p', {class: 'x', onclick: act}, 'text', child)`. Text is always a text node, so
//! nothing that a person or the bot wrote can become markup.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name in node && name !== 'list') node[name === 'class' ? 'className' : name] = value;
    else node.setAttribute(name === 'className' ? 'class' : name, value === true ? '' : value);
  }
  if ('class' in props) node.className = props.class ?? '';
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A line icon of 24 by 24 from path data. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

const ICONS = {
  send: 'M4 12 20 4l-5 16-3.5-6.5L4 12Zm7.5 1.500L20 4',
  close: 'M6 6l12 12M18 6 6 18',
  more: 'M12 5.500v.01M12 12v.01M12 18.500v.01',
  back: 'M15 5l-7 7 7 7',
  camera: 'M4 8h3l1.5-2.500h7L17 8h3v11H4zM12 10.2a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6z',
  laptop: 'M5 6h14v9H5zM3 18h18',
  phone: 'M8 3h8v18H8zM11 18h2',
  lock: 'M7 11h10v9H7zM9 11V8a3 3 0 0 1 6 0v3',
  menu: 'M4 7h16M4 12h16M4 17h16',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.300 5.3l1.4 1.4M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400',
  moon: 'M20 14.500A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.500z',
  expand: 'M6 14l6-6 6 6',
  qr: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h3v3h-3zM20 14v.01M20 20v.01M17 20v.01',
  app: 'M6 3h12v18H6zM10 7h4v4h-4z',
};

const AVATARS = ['orange', 'teal', 'violet'];

/** The round picture with a person's first letter. */
export function avatar(name, id, className = '') {
  return h('span', { class: `avatar ${AVATARS[id % AVATARS.length]} ${className}`.trim(), 'aria-hidden': 'true' }, [...name][0] ?? '?');
}

/** `14:05`, for Unix seconds. */
export function clockTime(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/** A short message that goes away by itself. */
export function toast(words, kind = '') {
  const node = h('p', { class: `toast ${kind}` }, words);
  const all = document.getElementById('toasts');
  all.append(node);
  while (all.children.length > 3) all.firstChild.remove();
  setTimeout(() => node.remove(), 5_000);
}

/** A question in the middle of `host`; resolves to the value of the button, or null when dismissed. */
export function ask(host, { title, text, buttons }) {
  return new Promise((resolve) => {
    const finish = (value) => { sheet.remove(); resolve(value); };
    const sheet = h('div', { class: 'sheet-back', onclick: (event) => { if (event.target === sheet) finish(null); } },
      h('div', { class: 'dialog', role: 'dialog', 'aria-modal': 'true', 'aria-label': title },
        h('strong', {}, title), text ? h('p', {}, text) : null,
        h('div', { class: 'dialog-buttons' }, buttons.map(({ label, value, kind = '' }) => h('button', { type: 'button', class: kind, onclick: () => finish(value) }, label)))));
    host.append(sheet);
    sheet.querySelector('button:last-of-type').focus();
  });
}
