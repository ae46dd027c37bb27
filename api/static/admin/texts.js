//! Words in the language of the person, with numbers and plurals as that language writes them. The words stand in `words_ru.js` and
//! `words_en.js`, of which the browser loads one.

/** Russian for `ru`, `ru-RU`, `ru_RU` and without a language code, English for any other language. */
export function languageOf(code) {
  return !code || /^ru(?![a-z])/i.test(code) ? 'ru' : 'en';
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
  /** The keys that begin so. */
  text.keys = (prefix) => Object.keys(words).filter((key) => key.startsWith(prefix));
  return text;
}
