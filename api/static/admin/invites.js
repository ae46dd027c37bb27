//! Invites: by state, newest first; one with its code as text, link and QR code, and who used it; making one or many.

import { OrderKeys } from './api.js';
import { CsvButton, INVITE_COLUMNS, REDEMPTION_COLUMNS } from './export.js';
import { Listed, Loaded } from './loaded.js';
import { Badge, Bar, Component, Icon, Pairs, Row, Section, Segments, State, Tool, html, tierTitle } from './ui.js';
import { PAID } from './users.js';
import { generate } from './vendor/lean-qr.mjs';

export const STATES = ['open', 'used', 'expired', 'revoked'];
const KIND = { open: 'good', used: 'blue', expired: 'late', revoked: 'bad' };

export class Invites extends Component {
  state = { state: this.props.app.memory.invites?.state ?? '' };

  render({ app, beside }, { state }) {
    const { t } = app;
    const choose = (value) => { app.memory.invites = { state: value }; this.setState({ state: value }); };
    return html`<${Bar} app=${app} title=${t('tab_invites')} back=${false}>
        <${Tool} icon="refresh" label=${t('refresh')} data-key="refresh" onClick=${() => this.list.load()} />
        <${CsvButton} app=${app} name="invites" columns=${INVITE_COLUMNS} path="invites" query=${{ state }} />
        <${Tool} icon="plus" label=${t('make_invite')} data-key="new" onClick=${() => app.open('invite_new', {}, { instead: true })} /><//>
      <${Segments} label=${t('filters')} name="invite-state" value=${state} onChange=${choose} options=${[['', t('invites_all')], ...STATES.map((it) => [it, t(`invites_state_${it}`)])]} />
      <${InviteList} ref=${(it) => { this.list = it; }} app=${app} state=${state} current=${beside?.params.invite_id} onAll=${() => choose('')} />`;
  }
}

class InviteList extends Listed {
  path() { return 'invites'; }

  query({ state }) { return { state }; }

  concerns({ stream }) { return stream === 'invite'; }

  list(invites) {
    const { app, state, current, onAll } = this.props;
    const { t } = app;
    if (invites.length === 0) {
      const make = () => app.open('invite_new', {}, { instead: true });
      return html`<div class="card">${state ? html`<${State} icon="invites" title=${t('no_invites_so')} text=${t('no_invites_so_text')} action=${t('invites_all')} onAction=${onAll} />`
        : html`<${State} icon="invites" title=${t('no_invites')} text=${t('no_invites_text')} action=${t('make_invite')} onAction=${make} />`}</div>`;
    }
    return html`<ul class="card rows" aria-label=${t('tab_invites')}>${invites.map((invite) => html`<li key=${invite.invite_id}>
      <${InviteRow} app=${app} invite=${invite} current=${current === invite.invite_id} onClick=${() => app.open('invite', { invite_id: invite.invite_id }, { instead: true })} /></li>`)}</ul>`;
  }
}

export function InviteBadge({ app, state }) {
  return html`<${Badge} kind=${KIND[state]}>${app.t(`invite_${state}`)}<//>`;
}

export function InviteRow({ app, invite, current, onClick }) {
  const { t, fmt } = app;
  return html`<button type="button" class="row go" data-row aria-current=${current ? 'true' : undefined} onClick=${onClick}>
    <span class="body"><span class="title"><span class=${invite.code ? 'mono strong' : ''}>${codeOf(app, invite)}</span><${InviteBadge} app=${app} state=${invite.state} /></span>
      <span class="sub">${invite.code ? `${tierTitle(invite.tier)} · ` : ''}${t('used_of', { used: invite.used, all: invite.max_uses })} · ${t('until', { day: fmt.day(invite.valid_until) })}${invite.note ? ` · ${invite.note}` : ''}</span></span></button>`;
}

/** A code as people type it, in groups. A code that cannot be redeemed any more is not kept: then what the invite gives. */
export function codeOf(app, { code, tier, subscription_days: days }) {
  return code ? code.replace(/(.{4})(?=.)/g, '$1-') : `${tierTitle(tier)}, ${days > 0 ? app.t('days', { n: days }) : app.t('forever')}`;
}

export class InviteScreen extends Loaded {
  keyOf({ params }) { return params.invite_id; }

  concerns({ stream }) { return stream === 'invite'; }

  request(signal) {
    return this.props.app.api.get(`invites/${this.props.params.invite_id}`, {}, signal);
  }

  async revoke(invite) {
    const { app } = this.props;
    const { t } = app;
    const left = invite.max_uses - invite.used - invite.reserved;
    const points = [t('revoke_left', { n: Math.max(0, left) }), invite.reserved > 0 && t('revoke_reserved', { n: invite.reserved }), t('revoke_used'), t('revoke_forever')].filter(Boolean);
    if (!await app.ask({ title: t('revoke_title', { code: codeOf(app, invite) }), text: t('revoke_text'), points, yes: t('revoke'), danger: true })) return;
    await app.attempt(async () => {
      await app.api.post(`invites/${invite.invite_id}/revoke`);
      app.toast(t('revoked'));
    });
    this.load();
  }

  render() {
    const { app } = this.props;
    const { data } = this.state;
    return html`<${Bar} app=${app} title=${app.t('invite')}>${data && html`<${InviteBadge} app=${app} state=${data.state} />`}
      <${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${() => this.load()} /><//>${super.render()}`;
  }

  body(invite) {
    const { app } = this.props;
    const { t, fmt } = app;
    return html`
      ${invite.state === 'open' && invite.code ? html`<${InviteCard} app=${app} invite=${invite} />` : html`<div class="card pad note"><p>${t(`why_${invite.state}`)}</p></div>`}
      <${Section} title=${t('terms')}><div class="card pad"><${Pairs} items=${[
        [t('tier'), tierTitle(invite.tier)], [t('subscription_for'), invite.subscription_days > 0 ? t('days', { n: invite.subscription_days }) : t('forever')],
        [t('uses'), t('used_of', { used: invite.used, all: invite.max_uses })], [t('reserved'), invite.reserved > 0 ? fmt.number(invite.reserved) : undefined],
        [t('valid_until'), fmt.moment(invite.valid_until)], [t('made_at'), fmt.moment(invite.created_at)], [t('note'), invite.note ?? undefined],
      ]} /></div>
      <div class="card rows">${invite.created_by && html`<${Row} icon="users" title=${t('made_by')} onClick=${() => app.open('user', { account_id: invite.created_by })} />`}
        <${Row} icon="history" title=${t('history')} onClick=${() => app.open('audit', { invite: invite.invite_id })} /></div><//>
      <${Section} title=${t('redemptions')} action=${invite.redemptions.length > 0 && html`<${CsvButton} app=${app} asText=${true} name="redemptions" columns=${REDEMPTION_COLUMNS} rows=${invite.redemptions} />`}>
        <div class="card rows">${invite.redemptions.length === 0 ? html`<${State} icon="users" title=${t('nobody_used')} text=${t('nobody_used_text')} />`
          : invite.redemptions.map((it) => html`<${Row} key=${it.login_id} title=${it.name ?? t('somebody')} sub=${t(it.used ? 'has_used' : 'has_reserved')} value=${fmt.short(it.at)} soft=${true} onClick=${() => app.open('user', { account_id: it.account_id })} />`)}</div><//>
      ${invite.state === 'open' && html`<div class="card rows"><button type="button" class="row danger" onClick=${() => this.revoke(invite)}><${Icon} name="end" /><span class="body"><span class="title"><span>${t('revoke')}</span></span></span></button></div>`}`;
  }
}

/** How an invite is handed on: QR code, link, code. */
export function InviteCard({ app, invite }) {
  const { t } = app;
  const share = () => {
    const url = `https://t.me/share/url?${new URLSearchParams({ url: invite.link })}`;
    app.telegram.call((sdk) => sdk.openTelegramLink(url), 'web_app_open_tg_link', { path_full: url.slice('https://t.me'.length) });
  };
  if (!invite.link) return html`<div class="card pad"><p class="mono strong">${codeOf(app, invite)}</p><p class="muted small">${t('no_link')}</p><button type="button" class="secondary" onClick=${() => app.copy(invite.code)}>${t('copy_code')}</button></div>`;
  return html`<div class="card pad"><${QrCode} text=${invite.link} label=${t('qr_label', { code: codeOf(app, invite) })} />
    <p class="mono strong" style=${{ textAlign: 'center', fontSize: '18px' }}>${codeOf(app, invite)}</p>
    <p class="mono muted" style=${{ textAlign: 'center' }}>${invite.link}</p>
    <div class="half"><button type="button" class="secondary" onClick=${() => app.copy(invite.link, 'link_copied')}>${t('copy_link')}</button>
      <button type="button" class="secondary" onClick=${() => app.copy(invite.code)}>${t('copy_code')}</button></div>
    <button type="button" class="primary" onClick=${share}>${t('send_to_chat')}</button></div>`;
}

const TERMS = ['7', '30', '90', '365', '0'];
const VALID = ['1', '7', '30', '90'];
/** Names of the numbers that can be typed, with their greatest value. */
const MOST = { max_uses: 100_000, count: 100 };

export class NewInvite extends Component {
  state = { tier: 'premium', subscription_days: '30', valid_days: '7', max_uses: '1', count: '1', note: '', wrong: {}, busy: false, made: null };
  keys = new OrderKeys();

  componentDidUpdate() {
    this.props.app.showNative();
  }

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
      const { items } = await app.api.post('invites', order, { 'Idempotency-Key': this.keys.of(order) });
      this.keys.done();
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
      <div class="half"><button type="button" class="secondary" onClick=${() => app.copy(items.map(({ link, code }) => link ?? code).join('\n'), 'link_copied')}>${t('copy_links')}</button>
        <button type="button" class="secondary" onClick=${() => app.copy(items.map((it) => codeOf(app, it)).join('\n'))}>${t('copy_codes')}</button></div>${another}`;
  }
}

const QUIET = 4;

/** The dark squares as one path. */
export function pathOf(code) {
  let path = '';
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) {
      if (!code.get(x, y)) continue;
      let run = 1;
      while (code.get(x + run, y)) run += 1;
      path += `M${x} ${y}h${run}v1h-${run}z`;
      x += run;
    }
  }
  return path;
}

export function QrCode({ text, label }) {
  const code = generate(text);
  const side = code.size + 2 * QUIET;
  return html`<div class="qr"><svg viewBox=${`${-QUIET} ${-QUIET} ${side} ${side}`} role="img" aria-label=${label}><path d=${pathOf(code)} fill="#000" /></svg></div>`;
}
