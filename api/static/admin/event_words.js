//! Events and their actors in words.

/** What an event says, and its name where the app has no words for it (yet). */
export function eventTitle(app, name) {
  return app.t.has(`event_${name}`) ? app.t(`event_${name}`) : name;
}

/** Who caused it: the service, the terminal with its user, or an account, shortened. */
export function whoDid(app, actor) {
  if (!actor) return '—';
  if (actor === 'system') return app.t('actor_service');
  if (actor.startsWith('tool:')) return app.t('actor_terminal', { user: actor.split(':').slice(2).join(':') || actor });
  if (actor === app.me?.account_id) return app.t('actor_you');
  return isAccount(actor) ? `${actor.slice(0, 8)}…` : actor;
}

export function isAccount(text) {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text ?? '');
}
