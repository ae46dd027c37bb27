//! Phone numbers, as people write them and as the page shows them.

/** `+` and 7 to 15 digits, or null. A Russian number may also begin with 8, or directly with 9. No whole number of another
 *  country has one of these forms. */
export function phoneNumber(typed) {
  let digits = typed.replace(/\D/g, '');
  if (!typed.trim().startsWith('+')) digits = digits.replace(/^8(?=\d{10}$)|^(?=9\d{9}$)/, '7');
  return /^\d{7,15}$/.test(digits) ? `+${digits}` : null;
}

/** The country codes of one and two digits. All others have three. Source: ITU-T E.164. */
const COUNTRY = /^(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/;

/** `+7 ••• ••01`: country code and last two digits, enough to recognise one's own number. */
export function maskedNumber(number) {
  const digits = String(number).replace(/\D/g, '');
  return `+${COUNTRY.exec(digits)?.[0] ?? ''} ••• ••${digits.slice(-2)}`;
}
