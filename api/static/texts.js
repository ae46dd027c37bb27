//! The texts of the page in the language of the person. They stand in `table.js`, which is written from `texts/src/page.rs`. Texts of the
//! server (`error`, `detail`, a password hint) are not there, because they come in the person's language.

import { TEXTS } from './table.js';

/** Russian for `ru`, `ru-RU`, `ru_RU` and without a language code, English for any other language. */
export function languageOf(code) {
  return !code || /^ru(?![a-z])/i.test(code) ? 'ru' : 'en';
}

/** Returns `text(key, {device: '…'})` for one language. An unknown key throws. */
export function textsIn(language) {
  const texts = TEXTS[language];
  return (key, values = {}) => {
    if (!(key in texts)) throw new Error(`no text ${key}`);
    return texts[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}

export { TEXTS };
