//! One invite: its code as text, link and QR code, and who used it.

import { html } from './dom.js';
import { Bar, Icon, Pairs, Row, Section, State, Tool, tierTitle } from './ui.js';
import { InviteBadge, codeOf } from './invites.js';
import { CsvButton } from './export.js';
import { Loaded } from './loaded.js';
import { QrCode } from './qr.js';
import { REDEMPTION_COLUMNS } from './csv.js';

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
      ${invite.state === 'open' && invite.link ? html`<${InviteCard} app=${app} invite=${invite} />` : html`<div class="card pad note"><p>${t(`why_${invite.state}`)}</p></div>`}
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
  return html`<div class="card pad"><${QrCode} text=${invite.link} label=${t('qr_label', { code: codeOf(app, invite) })} />
    <p class="mono strong" style=${{ textAlign: 'center', fontSize: '18px' }}>${codeOf(app, invite)}</p>
    <p class="mono muted" style=${{ textAlign: 'center' }}>${invite.link}</p>
    <div class="half"><button type="button" class="secondary" onClick=${() => app.copy(invite.link, 'link_copied')}>${t('copy_link')}</button>
      <button type="button" class="secondary" onClick=${() => app.copy(invite.code)}>${t('copy_code')}</button></div>
    <button type="button" class="primary" onClick=${share}>${t('send_to_chat')}</button></div>`;
}
