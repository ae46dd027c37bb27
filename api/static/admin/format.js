//! Words, numbers and dates as the person reads them: their language, and the time zone of their device. The words stand in `words_ru.js` and
//! `words_en.js`, of which the browser loads one.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The formats of one language. `timeZone` is the device's, unless a test names one. `now()` is in milliseconds. */
export function formats(language, { timeZone, now = () => Date.now() } = {}) {
  const dates = (options) => new Intl.DateTimeFormat(language, { timeZone, ...options });
  const number = new Intl.NumberFormat(language);
  const percent = new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 0 });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const time = dates({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const seconds = dates({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  const dayThisYear = dates({ day: 'numeric', month: 'short' });
  const day = dates({ day: 'numeric', month: 'short', year: 'numeric' });
  const year = dates({ year: 'numeric' });
  const utcDay = new Intl.DateTimeFormat(language, { timeZone: 'UTC', day: 'numeric', month: 'short' });
  const full = dates({ dateStyle: 'long', timeStyle: 'medium' });
  const isThisYear = (at) => year.format(at) === year.format(now());
  const isToday = (at) => day.format(at) === day.format(now());
  const valid = (at) => { const value = at === null || at === undefined ? NaN : new Date(at).getTime(); return Number.isNaN(value) ? null : value; };
  const guarded = (format) => (at) => { const value = valid(at); return value === null ? '—' : format(value); };
  return {
    language,
    number: (value) => number.format(value),
    percent: (share) => percent.format(share),
    /** `3 Dec`, with the year if it is another one. */
    day: guarded((at) => (isThisYear(at) ? dayThisYear : day).format(at)),
    /** `14:05` today, otherwise the day. */
    short: guarded((at) => (isToday(at) ? time.format(at) : (isThisYear(at) ? dayThisYear : day).format(at))),
    /** `3 Dec, 14:05` */
    moment: guarded((at) => `${(isThisYear(at) ? dayThisYear : day).format(at)}, ${time.format(at)}`),
    /** `14:05:09` */
    clock: guarded((at) => seconds.format(at)),
    /** With seconds and year, for a title. */
    full: guarded((at) => full.format(at)),
    /** The day in UTC, by which the server counts. */
    utcDay: guarded((at) => utcDay.format(at)),
    hour: guarded((at) => time.format(at)),
    /** `in 3 days`, `5 minutes ago` */
    ago: guarded((at) => {
      const away = at - now();
      const size = Math.abs(away);
      if (size < MINUTE) return relative.format(0, 'second');
      if (size < HOUR) return relative.format(Math.trunc(away / MINUTE), 'minute');
      if (size < DAY) return relative.format(Math.trunc(away / HOUR), 'hour');
      if (size < 60 * DAY) return relative.format(Math.trunc(away / DAY), 'day');
      return relative.format(Math.trunc(away / (30 * DAY)), 'month');
    }),
    now,
  };
}

/** Days from now until an instant, rounded up, never below 0. */
export function daysUntil(at, now) {
  return Math.max(0, Math.ceil((new Date(at).getTime() - now) / DAY));
}

/** `2026-11-29T12:30` of a datetime-local input, on the device's clock, as an instant. Null for an empty one. */
export function instantOf(local) {
  const at = new Date(local || NaN);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** What stands in the circle of a person without a picture. */
export function initials({ first_name: first, last_name: last, username }) {
  const letters = [first, last].map((name) => [...(name ?? '').trim()][0] ?? '').join('');
  return (letters || [...(username ?? '')][0] || '#').toUpperCase();
}

/** How a person is called where only one line fits. */
export function nameOf(user) {
  const name = [user.first_name, user.last_name].filter(Boolean).join(' ').trim();
  return name || (user.username ? `@${user.username}` : String(user.telegram_id));
}

/** One of Telegram's seven colours, the same each time. */
export function hueOf(telegramId) {
  return Math.abs(Number(telegramId) % 7) || 0;
}

/** The words of one language, by key. */
export async function wordsOf(language) {
  return (await (language === 'ru' ? import('./words_ru.js') : import('./words_en.js'))).TEXTS;
}

/** Returns `text(key, {name: '…', n: 3})` for the words of one language. `n` decides about the plural. An unknown key throws. */
export function textsIn(language, words) {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const text = (key, values = {}) => {
    if (!text.has(key)) throw new Error(`no text ${key}`);
    const found = words[key];
    const form = typeof found === 'string' ? found : found[plural.select(values.n)] ?? found.other ?? found.many;
    return form.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? (typeof values[name] === 'number' ? number.format(values[name]) : String(values[name])) : whole));
  };
  text.has = (key) => Object.hasOwn(words, key);
  text.add = (more) => { words = { ...words, ...more }; };
  /** The keys that begin so. */
  text.keys = (prefix) => Object.keys(words).filter((key) => key.startsWith(prefix));
  return text;
}
