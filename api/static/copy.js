//! Copying to the clipboard. Web clients deny the clipboard API inside their iframe, so `execCommand` on a selected input is the
//! fallback.

/** Copies the input's text. Returns false if neither way works, and leaves the text selected for the person. */
export async function copyFrom(input) {
  try {
    await navigator.clipboard.writeText(input.value);
    return true;
  } catch { /* The clipboard API is denied or missing. */ }
  input.focus({ preventScroll: true });
  input.select();
  input.setSelectionRange(0, input.value.length);
  try {
    return document.execCommand('copy');
  } catch {
    return false;
  }
}
