//! The texts of the page in the language of the person. They stand in `table.js`, which is written from `texts/src/page.rs`. Texts of the
//! server (`error`, `detail`, a password hint) are not there, because they come in the person's language.

import { TEXTS } from './table.js';
import { languageOf, textsOf } from './language.js';

/** Returns `text(key, {device: '…'})` for one language. An unknown key throws. */
export function textsIn(language) {
  return textsOf(TEXTS, language);
}

export { TEXTS, languageOf };
