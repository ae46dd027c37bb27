//! One person: subscription, login, session, and every act. Dangerous ones ask first; what can be taken back offers it.

import { CsvButton, SUBSCRIPTION_COLUMNS } from './export.js';
import { nameOf } from './format.js';
import { Loaded } from './loaded.js';
import { Badge, Bar, Dialog, Face, Failed, Icon, Pairs, Row, Section, State, Tool, UserBadges, html, tierTitle, whoDid } from './ui.js';
import { Grant } from './users.js';

const ROLES = ['user', 'admin', 'auditor'];

export class UserScreen extends Loaded {
  keyOf({ params }) { return params.account_id; }

  concerns({ account_id: id, stream }) { return id === this.props.params.account_id || (stream === 'login' && !id); }

  request(signal) {
    return this.props.app.api.get(`users/${this.props.params.account_id}`, {}, signal);
  }

  /** Does an act on this person, and shows what became of it. */
  async change(act, said, undo = null) {
    const { app } = this.props;
    await app.attempt(async () => {
      await act();
      app.toast(said, { undo });
    });
    this.load();
  }

  get path() { return `users/${this.props.params.account_id}`; }

  async block(user) {
    const { app } = this.props;
    const { t, api } = app;
    const name = nameOf(user);
    const answer = await app.ask({
      title: t('block_title', { name }), text: t('block_text'), points: [t('block_login'), t('block_session'), t('block_told'), t('block_undo')], yes: t('block'), danger: true, reason: t('reason'),
    });
    if (!answer) return;
    await this.change(() => api.post(`${this.path}/block`, answer.reason ? { reason: answer.reason } : {}), t('is_blocked', { name }), async () => {
      await api.post(`${this.path}/unblock`);
      return t('is_unblocked', { name });
    });
  }

  async unblock(user) {
    const { app } = this.props;
    const { t, api } = app;
    const name = nameOf(user);
    await this.change(() => api.post(`${this.path}/unblock`), t('is_unblocked', { name }), async () => {
      await api.post(`${this.path}/block`, { reason: t('undo_reason') });
      return t('is_blocked', { name });
    });
  }

  async role(user, role) {
    const { app } = this.props;
    const { t, api } = app;
    const name = nameOf(user);
    this.setState({ sheet: null });
    if (role === user.role) return;
    const answer = await app.ask({ title: t('role_title', { name, role: t(`role_${role}`) }), text: t(`role_${role}_text`), points: [t('role_told'), t('role_log')], yes: t('role_yes'), danger: role !== 'user' });
    if (!answer) return;
    await this.change(() => api.post(`${this.path}/role`, { role }), t('role_given', { name, role: t(`role_${role}`) }), async () => {
      await api.post(`${this.path}/role`, { role: user.role });
      return t('role_given', { name, role: t(`role_${user.role}`) });
    });
  }

  async end(user) {
    const { app } = this.props;
    const { t, api } = app;
    const name = nameOf(user);
    const answer = await app.ask({ title: t('end_title', { name }), text: t('end_text', { tier: tierTitle(user.subscription_type) }), points: [t('end_limits'), t('end_session'), t('end_log')], yes: t('end_yes'), danger: true, reason: t('reason') });
    if (!answer) return;
    await this.change(() => api.delete(`${this.path}/subscription`, answer.reason ? { reason: answer.reason } : {}), t('subscription_ended', { name }));
  }

  async reset(user) {
    const { app } = this.props;
    const { t, api } = app;
    const name = nameOf(user);
    const answer = await app.ask({ title: t('reset_title', { name }), text: t('reset_text'), points: [t('reset_session'), t('reset_name'), t('reset_log'), t('reset_forever')], yes: t('reset_yes'), danger: true });
    if (!answer) return;
    await this.change(() => api.post(`${this.path}/reset`), t('reset_begun', { name }));
  }

  render() {
    const { app } = this.props;
    const { data, problem } = this.state;
    const title = data?.user ? nameOf(data.user) : data?.erased ? app.t('erased') : app.t('person');
    return html`<${Bar} app=${app} title=${title} silent=${Boolean(data?.user)}><${Tool} icon="refresh" label=${app.t('refresh')} data-key="refresh" onClick=${() => this.load()} /><//>
      ${problem?.status === 404 ? html`<div class="card"><${State} icon="users" title=${app.t('no_person')} text=${app.t('no_person_text')} action=${app.t('back')} onAction=${() => app.back()} /></div>`
        : html`${problem && html`<${Failed} app=${app} problem=${problem} onAgain=${() => this.load()} />`}${data ? this.body(data) : !problem && this.bones()}`}`;
  }

  body(data) {
    const { app } = this.props;
    const { user } = data;
    const history = () => app.open('audit', { account: this.props.params.account_id });
    if (!user) {
      return html`<div class="card"><${State} icon="trash" title=${app.t('erased')} text=${app.t('erased_text')} action=${app.t('history')} onAction=${history} /></div>
        ${this.ids(null)}${this.subscriptionHistory(data)}`;
    }
    return html`${this.head(user)}${this.acts(user, history)}
      <div class="two">${this.subscription(data)}${this.access(data)}</div>
      ${this.ids(user)}${this.subscriptionHistory(data)}${this.danger(user)}${this.sheet(user)}`;
  }

  head(user) {
    const { app } = this.props;
    return html`<div class="profile"><${Face} user=${user} large=${true} /><h2 class="name">${nameOf(user)}</h2>
      ${user.username && html`<p class="muted small">@${user.username}</p>`}
      <p class="badges"><${UserBadges} app=${app} user=${user} />
        <${Badge} kind=${user.is_authenticated ? 'good' : ''}>${app.t(user.is_authenticated ? 'linked' : 'not_linked')}<//></p></div>`;
  }

  acts(user, history) {
    const { app } = this.props;
    const act = (icon, text, onClick, danger) => html`<button type="button" class=${danger ? 'act danger' : 'act'} onClick=${onClick}><${Icon} name=${icon} />${text}</button>`;
    return html`<div class="acts" role="group" aria-label=${app.t('acts')}>
      ${act('gift', app.t('grant'), () => this.setState({ sheet: 'grant' }))}
      ${act('role', app.t('role'), () => this.setState({ sheet: 'role' }))}
      ${act('history', app.t('history'), history)}
      ${user.is_blocked ? act('unblock', app.t('act_unblock'), () => this.unblock(user)) : act('block', app.t('act_block'), () => this.block(user), true)}</div>`;
  }

  subscription({ user, subscription }) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (!subscription || user.subscription_status !== 'active') {
      return html`<${Section} title=${t('subscription')}><div class="card rows"><${Row} title=${user.subscription_status === 'expired' ? t('subscription_was', { tier: tierTitle(user.subscription_type), day: fmt.day(user.subscription_expires_at) }) : t('no_subscription')} />
        <${Row} icon="gift" title=${t('grant_one')} onClick=${() => this.setState({ sheet: 'grant' })} /></div><//>`;
    }
    const { limits } = subscription;
    const known = Object.entries(limits ?? {}).map(([name, value]) => [t(`limit_${name}`), value === true ? t('yes') : value === false ? t('no') : value < 0 ? t('unlimited') : fmt.number(value)]);
    return html`<${Section} title=${t('subscription')}><div class="card rows">
      <${Row} title=${tierTitle(subscription.tier)} sub=${t('since', { day: fmt.day(subscription.started_at) })} value=${subscription.expires_at ? fmt.day(subscription.expires_at) : t('forever')} />
      ${subscription.expires_at && html`<${Row} icon="clock" title=${t('ends', { ago: fmt.ago(subscription.expires_at) })} />`}
      <div class="row"><details class="grow"><summary>${t('limits')}</summary><${Pairs} items=${known} /></details></div>
      <button type="button" class="row danger" onClick=${() => this.end(user)}><${Icon} name="end" /><span class="body"><span class="title"><span>${t('end_early')}</span></span></span></button></div><//>`;
  }

  access({ login, session, user }) {
    const { app } = this.props;
    const { t, fmt } = app;
    return html`<${Section} title=${t('access')}><div class="card rows">
      ${session ? html`<${Row} icon="link" title=${t('session')} sub=${t('session_since', { day: fmt.moment(session.linked_at), device: session.device ?? '—' })} />
        <${Row} title=${t('last_seen')} value=${session.last_seen_at ? fmt.ago(session.last_seen_at) : t('never')} soft=${true} />`
        : html`<${Row} icon="link" title=${user.session_exported ? t('session_exported') : t('no_session')} />`}
      ${login ? html`<${Row} icon="lock" title=${t('last_login', { status: t(`login_${login.status}`) })} sub=${[fmt.moment(login.started_at), login.reason].filter(Boolean).join(' · ')}
        onClick=${() => app.open('audit', { login: login.login_id })} />` : html`<${Row} icon="lock" title=${t('no_login')} />`}</div><//>`;
  }

  ids(user) {
    const { app } = this.props;
    const { t, fmt } = app;
    const copy = (title, value) => html`<button type="button" class="row" data-row onClick=${() => app.copy(String(value))}><span class="body"><span class="sub">${title}</span><span class="title mono">${value}</span></span><span class="accent"><${Icon} name="copy" /></span></button>`;
    return html`<${Section} title=${t('about')}><div class="card rows">
      ${user && copy('Telegram ID', user.telegram_id)}${copy(t('account_id'), this.props.params.account_id)}
      ${user && html`<${Row} title=${t('language')} value=${user.language_code ?? '—'} soft=${true} /><${Row} title=${t('registered_at')} value=${fmt.moment(user.created_at)} soft=${true} />`}
      ${user?.invited_by && html`<${Row} title=${t('invited_by')} onClick=${() => app.open('user', { account_id: user.invited_by })} />`}</div><//>`;
  }

  subscriptionHistory({ subscription_history: changes }) {
    const { app } = this.props;
    const { t, fmt } = app;
    if (!changes.length) return null;
    return html`<${Section} title=${t('subscription_history')} action=${html`<${CsvButton} app=${app} asText=${true} name="subscription" columns=${SUBSCRIPTION_COLUMNS} rows=${changes} />`}><div class="card rows">
      ${[...changes].sort((a, b) => b.at.localeCompare(a.at)).map((it) => html`<${Row} key=${it.at + it.change} title=${`${t(`change_${it.change}`)}${it.tier ? ` · ${tierTitle(it.tier)}` : ''}`}
        sub=${[t(`by_${it.by}`), it.by === 'admin' ? whoDid(app, it.actor) : null, it.expires_at && t('until', { day: fmt.day(it.expires_at) }), it.reason && `«${it.reason}»`].filter(Boolean).join(' · ')} value=${fmt.short(it.at)} soft=${true} />`)}</div><//>`;
  }

  danger(user) {
    const { app } = this.props;
    return html`<${Section} label=${app.t('reset')} note=${app.t('reset_note')}><div class="card rows"><button type="button" class="row danger" onClick=${() => this.reset(user)}><${Icon} name="trash" /><span class="body"><span class="title"><span>${app.t('reset')}</span></span></span></button></div><//>`;
  }

  sheet(user) {
    const { app } = this.props;
    const { t } = app;
    const { sheet } = this.state;
    if (sheet === 'grant') return html`<${Grant} app=${app} user=${user} onClose=${(done) => { this.setState({ sheet: null }); if (done) this.load(); }} />`;
    if (sheet !== 'role') return null;
    return html`<${Dialog} onCancel=${() => this.setState({ sheet: null })}><div class="stack"><h2 id="dialog-title">${t('role_of', { name: nameOf(user) })}</h2>
      <div class="rows">${ROLES.map((role) => html`<button type="button" class="row" key=${role} autofocus=${role === user.role} onClick=${() => this.role(user, role)}>
        <span class="body"><span class="title"><span>${t(`role_${role}`)}</span></span><span class="sub">${t(`role_${role}_short`)}</span></span>${role === user.role && html`<span class="accent"><${Icon} name="check" /></span><span class="sr">${t('role_now')}</span>`}</button>`)}</div>
      <div class="choices"><button type="button" onClick=${() => this.setState({ sheet: null })}>${t('cancel')}</button></div></div><//>`;
  }
}
