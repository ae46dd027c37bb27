//! Copying out of a page whose client may not let it: web clients deny the clipboard API inside their iframe, so the
//! old way over a selected input stays.

/** Copies the input's text; false where no way works, and the text is then left selected for the person. */
export async function copyFrom(input) {
  try {
    await navigator.clipboard.writeText(input.value);
    return true;
  } catch { /* denied, or absent: the selection still works */ }
  input.focus({ preventScroll: true });
  input.select();
  input.setSelectionRange(0, input.value.length);
  try {
    return document.execCommand('copy');
  } catch {
    return false;
  }
}
