//! The page's own question, for clients without popups.

/** Asks in `<dialog id="ask">`. Resolves to whether the answer is yes; closing it is no. The focus goes back to where it was. */
export function askIn(view, { title, message, yes, no }) {
  const dialog = view.element('ask');
  if (!dialog.showModal) return Promise.resolve(window.confirm(`${title}\n\n${message}`));
  for (const [id, words] of [['ask-title', title], ['ask-text', message], ['ask-yes', yes], ['ask-no', no]]) view.element(id).textContent = words;
  view.element('ask-yes').onclick = () => dialog.close('yes');
  view.element('ask-no').onclick = () => dialog.close('no');
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
