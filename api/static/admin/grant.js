//! Granting a subscription, to one person or to many. A grant can be taken back for a while.

import { Component, html } from './dom.js';
import { Dialog } from './question.js';
import { Segments, subscriptionOf, tierTitle } from './ui.js';
import { idempotencyKey } from './api.js';
import { daysUntil, nameOf } from './format.js';

export const TIERS = ['free', 'trial', 'basic', 'premium', 'enterprise'];
/** Those that can be granted: free is what everybody has. */
export const PAID = TIERS.slice(1);
const TERMS = ['7', '30', '90', '365', '0', 'other'];
/** Requests at a time, when many people get a subscription. */
const AT_ONCE = 4;

/** Tier, days and reason. `onDone({tier, days, reason})`. */
export class GrantForm extends Component {
  state = { tier: 'premium', term: '30', days: '', isWrong: false };

  days() {
    const { term, days } = this.state;
    if (term !== 'other') return Number(term);
    const number = Number(days);
    return Number.isInteger(number) && number >= 1 && number <= 36_500 ? number : null;
  }

  submit(event) {
    event.preventDefault();
    const days = this.days();
    this.setState({ isWrong: days === null });
    if (days === null) return;
    this.props.onDone({ tier: this.state.tier, days, reason: event.currentTarget.elements.reason.value.trim() || undefined });
  }

  render({ app, title, text, yes, busy, onCancel }, { tier, term, days, isWrong }) {
    const { t, fmt } = app;
    const chosen = this.days();
    const until = chosen ? fmt.day(fmt.now() + chosen * 86_400_000) : null;
    return html`<form onSubmit=${(event) => this.submit(event)} novalidate>
      <h2 id="dialog-title">${title}</h2>${text && html`<p class="muted small">${text}</p>`}
      <div class="field"><label>${t('tier')}</label><${Segments} label=${t('tier')} name="tier" autofocus=${true} value=${tier} options=${PAID.map((it) => [it, tierTitle(it)])} onChange=${(value) => this.setState({ tier: value })} /></div>
      <div class="field"><label>${t('term')}</label><${Segments} label=${t('term')} name="term" value=${term} options=${TERMS.map((it) => [it, t(it === '0' ? 'forever' : it === 'other' ? 'other_term' : 'days', { n: Number(it) })])} onChange=${(value) => this.setState({ term: value })} /></div>
      ${term === 'other' && html`<div class="field"><label for="days">${t('term_days')}</label><input id="days" class="input" inputmode="numeric" maxlength="5" value=${days} aria-invalid=${isWrong ? 'true' : undefined} aria-describedby="days-error"
        onInput=${(event) => this.setState({ days: event.currentTarget.value, isWrong: false })} /><p id="days-error" class="error" role="alert">${isWrong && t('days_wrong')}</p></div>`}
      <div class="field"><label for="reason">${t('reason')}</label><input id="reason" name="reason" class="input" maxlength="500" /></div>
      <p class="small" role="status">${chosen === null ? '' : t(until ? 'will_get' : 'will_get_forever', { tier: tierTitle(tier), day: until })}</p>
      <div class="choices"><button type="button" onClick=${onCancel}>${t('cancel')}</button><button type="submit" data-yes aria-busy=${busy ? 'true' : undefined} disabled=${busy}>${yes}</button></div>
    </form>`;
  }
}

/** The sheet for one person. */
export class Grant extends Component {
  state = { busy: false };
  key = idempotencyKey();

  async grant(order) {
    const { app, user, onClose } = this.props;
    this.setState({ busy: true });
    const isDone = await app.attempt(async () => {
      const { user: now } = await app.api.post(`users/${user.account_id}/subscription`, order, { 'Idempotency-Key': this.key });
      app.toast(app.t('granted', { name: nameOf(user), subscription: subscriptionOf(app, now) }), { undo: () => takeBack(app, user) });
    });
    this.setState({ busy: false });
    if (isDone) onClose(true);
  }

  render({ app, user, onClose }, { busy }) {
    const { t } = app;
    const text = user.subscription_status === 'active' ? t('replaces', { subscription: subscriptionOf(app, user) }) : t('has_none');
    return html`<${Dialog} onCancel=${() => onClose(false)}><${GrantForm} app=${app} title=${t('grant_to', { name: nameOf(user) })} text=${text} yes=${t('grant')} busy=${busy} onDone=${(order) => this.grant(order)} onCancel=${() => onClose(false)} /><//>`;
  }
}

/** What a person had before a grant, again. Returns what to say. */
export async function takeBack(app, before) {
  const path = `users/${before.account_id}/subscription`;
  const reason = app.t('undo_reason');
  const name = nameOf(before);
  if (before.subscription_status !== 'active') {
    await app.api.delete(path, { reason });
    return app.t('taken_back', { name });
  }
  // A subscription is granted by days, so the last one may be longer than it was.
  const days = before.subscription_expires_at ? Math.max(1, daysUntil(before.subscription_expires_at, app.fmt.now())) : 0;
  const { user } = await app.api.post(path, { tier: before.subscription_type, days, reason }, { 'Idempotency-Key': idempotencyKey() });
  return app.t('granted', { name, subscription: subscriptionOf(app, user) });
}

/** The sheet for many people: it asks, shows how far it is, and tells whom it did not reach. */
export class BulkGrant extends Component {
  state = { order: null, done: [], failed: [], isStopped: false };
  /** One key for each person, kept over tries: nobody gets it twice. */
  keys = new Map(this.props.users.map(({ account_id: id }) => [id, idempotencyKey()]));

  async run(order, users) {
    const { app } = this.props;
    this.setState({ order, failed: [], isStopped: false });
    const queue = [...users];
    const work = async () => {
      for (let user = queue.shift(); user && !this.state.isStopped && !app.state.hasEnded; user = queue.shift()) {
        try {
          await app.api.post(`users/${user.account_id}/subscription`, order, { 'Idempotency-Key': this.keys.get(user.account_id) });
          this.setState(({ done }) => ({ done: [...done, user] }));
        } catch (problem) {
          this.setState(({ failed }) => ({ failed: [...failed, { user, problem }] }));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (queue.length > 0 && !app.state.hasEnded) this.setState(({ failed }) => ({ failed: [...failed, ...queue.map((user) => ({ user, problem: {} }))] }));
    if (this.state.failed.length === 0) this.finish();
  }

  finish() {
    const { app, onClose } = this.props;
    const { done } = this.state;
    if (done.length > 0) app.toast(app.t('granted_many', { n: done.length }), { undo: async () => { for (const user of done) await takeBack(app, user); return app.t('taken_back_many', { n: done.length }); } });
    onClose(done.length > 0);
  }

  render({ app, users, onClose }, { order, done, failed }) {
    const { t } = app;
    if (!order) {
      const replaced = users.filter((user) => user.subscription_status === 'active').length;
      return html`<${Dialog} onCancel=${() => onClose(false)}><${GrantForm} app=${app} title=${t('grant_many', { n: users.length })} text=${replaced > 0 ? t('replaces_many', { n: replaced }) : t('has_none_many')}
        yes=${t('grant')} onDone=${(it) => this.run(it, users)} onCancel=${() => onClose(false)} /><//>`;
    }
    const isRunning = done.length + failed.length < users.length;
    return html`<${Dialog} onCancel=${() => (isRunning ? this.setState({ isStopped: true }) : this.finish())}><div class="stack">
      <h2 id="dialog-title">${t(isRunning ? 'granting' : 'granted_not_all')}</h2>
      <p role="status">${t('done_of', { done: done.length, all: users.length })}</p>
      <div class="progress" aria-hidden="true"><div style=${{ transform: `scaleX(${(done.length + failed.length) / users.length})` }}></div></div>
      ${failed.length > 0 && html`<ul class="small stack">${failed.slice(0, 20).map(({ user, problem }) => html`<li key=${user.account_id}>${nameOf(user)}: ${problem.detail ?? t(problem.status === 0 ? 'offline' : problem.status ? 'failed' : 'not_tried')}</li>`)}</ul>`}
      <div class="choices">${isRunning ? html`<button type="button" onClick=${() => this.setState({ isStopped: true })}>${t('stop')}</button>`
        : html`<button type="button" onClick=${() => this.finish()}>${t('close')}</button><button type="button" onClick=${() => this.run(order, failed.map(({ user }) => user))}>${t('again')}</button>`}</div></div><//>`;
  }
}
