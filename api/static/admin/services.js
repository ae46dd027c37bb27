//! Services: the keys with which other services use the API, and the webhooks that tell them what has happened. It is loaded when its tab
//! is opened.

import { KeyList, KeyScreen, NewKey } from './keys.js';
import { Bar, Component, Section, Tool, html } from './ui.js';
import { WebhookForm, WebhookList, WebhookScreen } from './webhooks.js';

class Services extends Component {
  render({ app, beside }) {
    const { t } = app;
    return html`<${Bar} app=${app} title=${t('tab_services')} back=${false}>
        <${Tool} icon="refresh" label=${t('refresh')} data-key="refresh" onClick=${() => [this.keys, this.webhooks].forEach((it) => it.load())} /><//>
      <${Section} title=${t('api_keys')} action=${html`<button type="button" data-key="new" onClick=${() => app.open('key_new', {}, { instead: true })}>${t('new_key')}</button>`}>
        <${KeyList} ref=${(it) => { this.keys = it; }} app=${app} current=${beside?.params.key_id} /><//>
      <${Section} title=${t('webhooks')} action=${html`<button type="button" onClick=${() => app.open('webhook_form', {}, { instead: true })}>${t('new_webhook')}</button>`} note=${t('services_note')}>
        <${WebhookList} ref=${(it) => { this.webhooks = it; }} app=${app} current=${beside?.params.webhook_id} /><//>`;
  }
}

export const SCREENS = { services: Services, key: KeyScreen, key_new: NewKey, webhook: WebhookScreen, webhook_form: WebhookForm };
