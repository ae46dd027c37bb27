//! The page's own question, for clients without popups.

/** Asks in `<dialog id="ask">`. Resolves to whether the answer is yes; Escape is no. The focus goes back to where it was. */
export function askIn(view, { title, message, yes, no }) {
  const dialog = view.element('ask');
  if (!dialog.showModal) return Promise.resolve(window.confirm(`${title}\n\n${message}`));
  for (const [id, words] of [['ask-title', title], ['ask-text', message], ['ask-yes', yes], ['ask-no', no]]) view.element(id).textContent = words;
  dialog.showModal();
  return new Promise((resolve) => {
    // Not by the event `close`: it comes late, and would answer the next question.
    const answer = (isYes) => { dialog.close(); resolve(isYes); };
    view.element('ask-yes').onclick = () => answer(true);
    view.element('ask-no').onclick = () => answer(false);
    dialog.oncancel = () => resolve(false);
  });
}
