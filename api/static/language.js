//! The language of the person, and a page's texts in it.

/** Russian for `ru`, `ru-RU`, `ru_RU` and without a language code, English for any other language. */
export function languageOf(code) {
  return !code || /^ru(?![a-z])/i.test(code) ? 'ru' : 'en';
}

/** Returns `text(key, {device: '…'})` for one language of a table. An unknown key throws. */
export function textsOf(table, language) {
  const texts = table[language];
  return (key, values = {}) => {
    if (!(key in texts)) throw new Error(`no text ${key}`);
    return texts[key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}
