//! The keys of the API: all of them with what each may do and when it was used last, one of them, and making one, which is shown once.

import { everyItem } from './api.js';
import { Checks, Secret } from './fields.js';
import { Listed, Loaded } from './loaded.js';
import { Badge, Bar, Component, Icon, Pairs, Row, Section, Segments, State, Tool, html, whoDid } from './ui.js';

/** What a key may do, in the order of the list. */
export const SCOPES = ['users:read', 'subscriptions:write', 'invites:read', 'invites:write', 'events:read', 'events:names', 'webhooks:manage'];
const TERMS = ['30', '90', '365', ''];
const KIND = { active: 'good', expired: 'late', revoked: '' };

/** Whether a key works: `active`, or why not. `now` is in milliseconds. */
export function keyState({ revoked_at: revoked, expires_at: expires }, now) {
  if (revoked) return 'revoked';
  return expires && new Date(expires).getTime() <= now ? 'expired' : 'active';
}

function KeyBadge({ app, state }) {
  return html`<${Badge} kind=${KIND[state]}>${app.t(`key_${state}`)}<//>`;
}

export class KeyList extends Listed {
  path() { return 'keys'; }

  query() { return {}; }

  concerns({ stream }) { return stream === 'service'; }

  list(keys) {
    const { app, current } = this.props;
    const { t, fmt } = app;
    if (keys.length === 0) return html`<div class="card"><${State} icon="key" title=${t('no_keys')} text=${t('no_keys_text')} action=${t('new_key')} onAction=${() => app.open('key_new', {}, { instead: true })} /></div>`;
    return html`<ul class="card rows" aria-label=${t('api_keys')}>${keys.map((key) => html`<li key=${key.key_id}>
      <${Row} title=${html`<span>${key.name}</span><${KeyBadge} app=${app} state=${keyState(key, fmt.now())} />`} sub=${html`<span class="mono">${key.scopes.join(' ')}</span>`} current=${current === key.key_id}
        onClick=${() => app.open('key', { key_id: key.key_id }, { instead: true })} /></li>`)}</ul>`;
  }
}

export class KeyScreen extends Loaded {
  keyOf({ params }) { return params.key_id; }

  concerns({ stream }) { return stream === 'service'; }

  async request(signal) {
    const keys = await everyItem(this.props.app.api, 'keys', {}, { signal });
    return { key: keys.find(({ key_id: id }) => id === this.props.params.key_id) };
  }

  async revoke(key) {
    const { app } = this.props;
    const { t } = app;
    if (!await app.ask({ title: t('revoke_key_title', { name: key.name }), text: t('revoke_key_text'), points: [t('revoke_key_webhooks'), t('revoke_key_forever')], yes: t('revoke_key'), danger: true })) return;
    await app.attempt(async () => {
      await app.api.delete(`keys/${key.key_id}`);
      app.toast(t('key_is_revoked', { name: key.name }));
    });
    this.load();
  }

  render() {
    const { app } = this.props;
    return html`<${Bar} app=${app} title=${this.state.data?.key?.name ?? app.t('api_key')}><${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${() => this.load()} /><//>${super.render()}`;
  }

  body({ key }) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (!key) return html`<div class="card"><${State} icon="key" title=${t('no_key')} action=${t('back')} onAction=${() => app.back()} /></div>`;
    const state = keyState(key, fmt.now());
    return html`<div class="card pad"><${Pairs} items=${[
        [t('state'), html`<${KeyBadge} app=${app} state=${state} />`], [t('key_id'), key.key_id, true], [t('last_used'), key.last_used_at ? fmt.ago(key.last_used_at) : t('never')],
        [t('made_at'), fmt.moment(key.created_at)], [t('made_by'), whoDid(app, key.created_by)], [t('works_until'), key.expires_at ? fmt.moment(key.expires_at) : t('forever')],
        [t('revoked_at'), key.revoked_at ? fmt.moment(key.revoked_at) : undefined],
      ]} /></div>
      <${Section} title=${t('may')}><div class="card rows">${key.scopes.map((scope) => html`<${Row} key=${scope} title=${html`<span class="mono">${scope}</span>`} sub=${sayScope(app, scope)} />`)}</div><//>
      <div class="card rows"><${Row} icon="history" title=${t('history')} onClick=${() => app.open('audit', { actor: `key:${key.key_id}` })} /></div>
      ${state === 'active' && html`<div class="card rows"><button type="button" class="row danger" onClick=${() => this.revoke(key)}><${Icon} name="end" /><span class="body"><span class="title"><span>${t('revoke_key')}</span></span></span></button></div>`}`;
  }
}

/** What a scope allows, in words; nothing for one that this app does not know (yet). */
function sayScope({ t }, scope) {
  const key = `scope_${scope.replace(':', '_')}`;
  return t.has(key) ? t(key) : null;
}

export class NewKey extends Component {
  state = { name: '', scopes: [], days: '90', wrong: {}, busy: false, made: null };

  async submit(event) {
    event.preventDefault();
    const { app } = this.props;
    const { name, scopes, days } = this.state;
    const wrong = { name: !name.trim(), scopes: scopes.length === 0 };
    this.setState({ wrong });
    const first = Object.keys(wrong).find((it) => wrong[it]);
    if (first) {
      const field = event.currentTarget.elements[first];
      (field[0] ?? field).focus();
      return;
    }
    this.setState({ busy: true });
    await app.attempt(async () => {
      const made = await app.api.post('keys', { name: name.trim(), scopes: SCOPES.filter((it) => scopes.includes(it)), ...(days && { expires_in_days: Number(days) }) });
      this.setState({ made });
    });
    this.setState({ busy: false });
  }

  render({ app }, { name, scopes, days, wrong, busy, made }) {
    const { t } = app;
    if (made) {
      return html`<${Bar} app=${app} title=${t('key_made')} />
        <${Secret} app=${app} secret=${made.key} title=${t('key_once')} text=${t('key_once_text')} onDone=${() => app.open('key', { key_id: made.key_id }, { instead: true })} />`;
    }
    return html`<${Bar} app=${app} title=${t('new_key')} />
      <form novalidate onSubmit=${(event) => this.submit(event)}><div class="card pad">
        <div class="field"><label for="key-name">${t('key_name')}</label><input id="key-name" name="name" class="input" maxlength="64" autocomplete="off" value=${name} placeholder=${t('key_name_example')}
          aria-invalid=${wrong.name ? 'true' : undefined} aria-describedby="key-name-error" onInput=${(event) => this.setState({ name: event.currentTarget.value })} /><p id="key-name-error" class="error" role="alert">${wrong.name && t('key_name_wrong')}</p></div>
        <div class="field"><label>${t('works_for')}</label><${Segments} label=${t('works_for')} name="days" value=${days} options=${TERMS.map((it) => [it, it ? t('days', { n: Number(it) }) : t('forever')])} onChange=${(value) => this.setState({ days: value })} /></div></div>
        <${Checks} name="scopes" legend=${t('may')} options=${SCOPES.map((it) => [it, sayScope(app, it)])} chosen=${scopes} onChange=${(value) => this.setState({ scopes: value })} error=${wrong.scopes && t('scopes_wrong')} />
        <button type="submit" class="primary" data-main aria-busy=${busy ? 'true' : undefined} disabled=${busy}>${t('make_key')}</button></form>`;
  }
}
