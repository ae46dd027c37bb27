//! Icons: strokes on a square of 24.

import { html } from './dom.js';

const PATHS = {
  dashboard: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  users: 'M9 11.5a3.7 3.7 0 1 0 0-7.4 3.7 3.7 0 0 0 0 7.4ZM2.5 20c.4-3.7 3-5.7 6.5-5.7s6.1 2 6.5 5.7M16 4.6a3.5 3.5 0 0 1 0 6.6M18 14.8c2 .8 3.2 2.6 3.5 5.2',
  invites: 'M4 8.5V6h16v2.5a3.5 3.5 0 0 0 0 7V18H4v-2.5a3.5 3.5 0 0 0 0-7ZM14 6v2.5M14 11v2M14 15.5V18',
  statistics: 'M4 20h16M7 16v-5M12 16V5M17 16V9',
  projections: 'M12 3.5 3.5 8 12 12.5 20.5 8ZM3.5 12 12 16.5 20.5 12M3.5 16 12 20.5 20.5 16',
  audit: 'M5 6h.01M9 6h10M5 12h.01M9 12h10M5 18h.01M9 18h10',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.3 15.3 20 20',
  back: 'M15 5l-7 7 7 7', close: 'M6 6l12 12M18 6 6 18', more: 'M12 5.5v.01M12 12v.01M12 18.5v.01',
  plus: 'M12 5v14M5 12h14', download: 'M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14', refresh: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 4v4h-4',
  check: 'm5 12.5 4.5 4.5L19 7.5', select: 'M4 5h7v7H4zM14.5 8.5l2 2 4-4.5M4 15h7v4H4zM15 17h5',
  gift: 'M4 11h16v9H4zM3 7.5h18V11H3zM12 7.5V20M12 7.5C10 3 5.5 4 7 7.5M12 7.5c2-4.5 6.5-3.5 5 0',
  role: 'M12 3.5 5 6v5.5c0 4.2 2.9 7.4 7 9 4.1-1.6 7-4.8 7-9V6ZM9 12l2.2 2.2L15.2 10',
  block: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM6 6l12 12', unblock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 6.8-1.2',
  history: 'M4 12a8 8 0 1 0 2.6-5.9M4 4v4h4M12 8v4.5l3 2', copy: 'M9 9h11v11H9zM5 15H4V4h11v1', share: 'M12 15V4M8 7.5 12 3.5l4 4M6 11H5v9h14v-9h-1',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13', end: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM9 9h6v6H9z', play: 'M8 5.5v13l10.5-6.5Z',
  warning: 'M12 4 2.8 19.5h18.4ZM12 10v4.5M12 17v.01', empty: 'M4 13l2.5-8h11L20 13v6H4zM4 13h5l1 2.5h4l1-2.5h5',
  offline: 'M4 9.5a12 12 0 0 1 16 0M7 13a7.5 7.5 0 0 1 10 0M12 17.5v.01M4 4l16 16', lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3M12 15v1.5',
  cause: 'M12 19V6M7 10.5 12 5.5l5 5', effect: 'M12 5v13M7 13.5l5 5 5-5', keyboard: 'M3 6.5h18v11H3zM7 10h.01M10.5 10h.01M14 10h.01M17.5 10h.01M7.5 14h9',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1-1', clock: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 7.5V12l3 2',
};

export const ICONS = Object.keys(PATHS);

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
