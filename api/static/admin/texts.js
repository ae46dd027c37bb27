//! The texts of the admins' app in the language of the person, with numbers and plurals as that language writes them.

import { LOG_WORDS } from './words_log.js';
import { PEOPLE_WORDS } from './words_people.js';

export const LANGUAGES = ['ru', 'en'];
/** `[Russian, English]` by key. */
export const TEXTS = { ...PEOPLE_WORDS, ...LOG_WORDS };

/** Russian for `ru`, `ru-RU`, `ru_RU` and without a language code, English for any other language. */
export function languageOf(code) {
  return !code || /^ru(?![a-z])/i.test(code) ? 'ru' : 'en';
}

/** Returns `text(key, {name: '…', n: 3})` for one language. `n` decides about the plural. An unknown key throws. */
export function textsIn(language) {
  const at = LANGUAGES.indexOf(language);
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const text = (key, values = {}) => {
    if (!text.has(key)) throw new Error(`no text ${key}`);
    const words = TEXTS[key][at];
    const form = typeof words === 'string' ? words : words[plural.select(values.n)] ?? words.other ?? words.many;
    return form.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? (typeof values[name] === 'number' ? number.format(values[name]) : String(values[name])) : whole));
  };
  text.has = (key) => Object.hasOwn(TEXTS, key);
  /** The keys that begin so. */
  text.keys = (prefix) => Object.keys(TEXTS).filter((key) => key.startsWith(prefix));
  return text;
}
