//! Invites: by state, newest first; make one or many.

import { Component, html } from './dom.js';
import { Badge, Bar, Segments, State, Tool, tierTitle } from './ui.js';
import { CsvButton } from './export.js';
import { INVITE_COLUMNS } from './csv.js';
import { Listed } from './loaded.js';

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
      <${InviteRow} app=${app} invite=${invite} current=${current === invite.invite_id} onClick=${() => app.open('invite', { invite_id: invite.invite_id }, { instead: app.tab === 'invites' })} /></li>`)}</ul>`;
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
