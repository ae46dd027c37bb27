//! Making invites, one or many, and handing them on.

import { Component, html } from './dom.js';
import { Bar, Section, Segments, tierTitle } from './ui.js';
import { CsvButton } from './export.js';
import { INVITE_COLUMNS } from './csv.js';
import { InviteCard } from './invite.js';
import { InviteRow, codeOf } from './invites.js';
import { PAID } from './grant.js';

const TERMS = ['7', '30', '90', '365', '0'];
const VALID = ['1', '7', '30', '90'];
/** Names of the numbers that can be typed, with their greatest value. */
const MOST = { max_uses: 100_000, count: 100 };

export class NewInvite extends Component {
  state = { tier: 'premium', subscription_days: '30', valid_days: '7', max_uses: '1', count: '1', note: '', wrong: {}, busy: false, made: null };

  async submit(event) {
    event.preventDefault();
    const { app } = this.props;
    const { tier, subscription_days: days, valid_days: valid, note } = this.state;
    const numbers = Object.fromEntries(Object.keys(MOST).map((name) => [name, Number(this.state[name])]));
    const wrong = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, !(Number.isInteger(value) && value >= 1 && value <= MOST[name])]));
    this.setState({ wrong });
    const first = Object.keys(wrong).find((name) => wrong[name]);
    if (first) { event.currentTarget.elements[first].focus(); return; }
    this.setState({ busy: true });
    const order = { tier, max_uses: numbers.max_uses, valid_days: Number(valid), subscription_days: Number(days), count: numbers.count, ...(note.trim() && { note: note.trim() }) };
    await app.attempt(async () => {
      const { items } = await app.api.post('invites', order);
      app.telegram?.haptic('success');
      this.setState({ made: items });
    });
    this.setState({ busy: false });
  }

  render({ app }, { tier, subscription_days: days, valid_days: valid, note, wrong, busy, made }) {
    const { t } = app;
    if (made) return this.made(made);
    const choose = (name) => (value) => this.setState({ [name]: value });
    const number = (name) => html`<div class="field"><label for=${name}>${t(name)}</label><input id=${name} name=${name} class="input" inputmode="numeric" maxlength="6" value=${this.state[name]}
      aria-invalid=${wrong[name] ? 'true' : undefined} aria-describedby=${`${name}-error`} onInput=${(event) => choose(name)(event.currentTarget.value)} /><p id=${`${name}-error`} class="error" role="alert">${wrong[name] && t('number_wrong', { most: MOST[name] })}</p></div>`;
    const count = Number(this.state.count) || 1;
    return html`<${Bar} app=${app} title=${t('new_invite')} />
      <form novalidate onSubmit=${(event) => this.submit(event)}><div class="card pad">
        <div class="field"><label>${t('tier')}</label><${Segments} label=${t('tier')} name="tier" value=${tier} options=${PAID.map((it) => [it, tierTitle(it)])} onChange=${choose('tier')} /></div>
        <div class="field"><label>${t('subscription_for')}</label><${Segments} label=${t('subscription_for')} name="subscription_days" value=${days} options=${TERMS.map((it) => [it, it === '0' ? t('forever') : t('days', { n: Number(it) })])} onChange=${choose('subscription_days')} /></div>
        <div class="field"><label>${t('valid_for')}</label><${Segments} label=${t('valid_for')} name="valid_days" value=${valid} options=${VALID.map((it) => [it, t('days', { n: Number(it) })])} onChange=${choose('valid_days')} /></div>
        <div class="half">${number('max_uses')}${number('count')}</div>
        <div class="field"><label for="note">${t('note')}</label><input id="note" class="input" maxlength="200" value=${note} placeholder=${t('note_example')} onInput=${(event) => choose('note')(event.currentTarget.value)} /></div></div>
        <button type="submit" class="primary" data-main aria-busy=${busy ? 'true' : undefined} disabled=${busy}>${t('make_n', { n: count })}</button></form>`;
  }

  made(items) {
    const { app } = this.props;
    const { t } = app;
    const another = html`<button type="button" class="quiet" onClick=${() => this.setState({ made: null, note: '', count: '1' })}>${t('make_another')}</button>`;
    if (items.length === 1) return html`<${Bar} app=${app} title=${t('invite_made')} /><${InviteCard} app=${app} invite=${items[0]} />${another}`;
    return html`<${Bar} app=${app} title=${t('invites_made', { n: items.length })} />
      <${Section} title=${t('codes')} action=${html`<${CsvButton} app=${app} asText=${true} name="invites" columns=${INVITE_COLUMNS} rows=${items} />`}>
        <ul class="card rows">${items.map((invite) => html`<li key=${invite.invite_id}><${InviteRow} app=${app} invite=${invite} onClick=${() => app.open('invite', { invite_id: invite.invite_id })} /></li>`)}</ul><//>
      <div class="half"><button type="button" class="secondary" onClick=${() => app.copy(items.map(({ link }) => link).join('\n'), 'link_copied')}>${t('copy_links')}</button>
        <button type="button" class="secondary" onClick=${() => app.copy(items.map((it) => codeOf(app, it)).join('\n'))}>${t('copy_codes')}</button></div>${another}`;
  }
}
