//! The texts of the tab Services in English; `words_en.js` has those of the rest.

export const TEXTS = {
  services_note: 'A key lets another service ask. A webhook tells it by itself. The documentation is at /api/docs.', is_stored: 'It’s stored',

  // keys
  api_keys: 'API keys', api_key: 'API key', new_key: 'New key', make_key: 'Make the key', key_active: 'works', key_expired: 'expired', key_revoked: 'revoked',
  no_keys: 'No keys yet', no_keys_text: 'A key lets another service ask who may do what, or follow the events.', no_key: 'No such key',
  key_id: 'Key ID', last_used: 'Last used', works_until: 'Works until', works_for: 'Works for', revoked_at: 'Revoked', may: 'What it may do',
  key_name: 'Name', key_name_example: 'For example: shop', key_name_wrong: 'Give it a name by which you will know it.',
  scopes_wrong: 'Pick at least one.', scope_users_read: 'See people: their name, role and subscription',
  scope_subscriptions_write: 'Grant, renew and end subscriptions', scope_invites_read: 'See invites', scope_invites_write: 'Make and revoke invites',
  scope_events_read: 'Follow the events, without names', scope_events_names: 'See names in the events', scope_webhooks_manage: 'Make and change its own webhooks',
  key_made: 'Key ready', key_once: 'The key is shown only now',
  key_once_text: 'Copy it into the settings of the service. It is not kept here: a lost key is replaced by a new one.',
  revoke_key: 'Revoke the key', revoke_key_title: 'Revoke the key “{name}”?', revoke_key_text: 'The service that uses it is refused within a second.',
  revoke_key_webhooks: 'What the key has done stays, and its webhooks go on until you delete them', revoke_key_forever: 'It cannot be brought back; make a new one instead',
  key_is_revoked: '“{name}” is revoked',

  // webhooks
  webhooks: 'Webhooks', webhook: 'Webhook', new_webhook: 'New webhook', make_webhook: 'Make the webhook', webhook_on: 'on', webhook_off: 'off',
  parked_n: { one: '{n} parked', other: '{n} parked' }, waiting_n: { one: '{n} waiting', other: '{n} waiting' }, delivered_ago: 'last delivered {ago}',
  never_delivered: 'nothing delivered yet', no_webhooks: 'No webhooks yet',
  no_webhooks_text: 'A webhook tells another service when somebody logs in, or when a subscription ends.', no_webhook: 'No such webhook',
  address: 'Address', address_wrong: 'Enter a whole address, such as https://service.example/webhooks.',
  address_note: 'The address must be on the public internet and begin with https. Redirects are not followed.', told: 'What it is told',
  types_note: 'With none picked it is told everything, also what is added later.', everything: 'everything', last_delivery: 'Last delivery', old_secret_until: 'Old secret works until',
  test: 'Test', change: 'Change', save: 'Save', change_webhook: 'Change the webhook', is_changed: 'Webhook changed', new_secret: 'New secret',
  switch_on: 'Switch on', switch_off: 'Switch off', is_on: 'Webhook is on', is_off: 'Webhook is off', test_sent: 'Test sent: see its delivery below',
  off_order: 'It is switched off: nothing is delivered.', off_gone: 'It switched itself off: the address answered 410, “gone for good”. Nothing is delivered.',
  off_title: 'Switch {url} off?', off_text: 'Nothing is delivered to this address any more.', off_waiting: 'What waits now goes on waiting', off_missed: 'What happens while it is off is not delivered later',
  off_again: 'You can switch it on again at any time', rotate: 'Make a new secret', rotate_title: 'Make a new secret?',
  rotate_text: '{url} must get it, or it will refuse what is delivered.', rotate_both: 'For a day, each delivery is signed with both secrets',
  rotate_then: 'Then the old secret stops working', secret_once: 'The secret is shown only now',
  secret_once_text: 'Copy it into the settings of the service. With it, the service checks that a message is from here.',
  secret_new_text: 'Copy it into the settings of the service before the old one stops working.', webhook_made: 'Webhook ready', remove: 'Delete the webhook',
  remove_title: 'Delete {url}?', remove_text: 'Nothing is delivered to this address any more.',
  remove_lost: { one: '{n} delivery that waits or is parked is lost', other: '{n} deliveries that wait or are parked are lost' },
  remove_forever: 'It cannot be brought back; its history goes, too', is_removed: 'Webhook deleted',

  // deliveries
  deliveries: 'Deliveries', any_state: 'All', state_waiting: 'Waiting', state_delivered: 'Delivered', state_parked: 'Parked', no_deliveries: 'Nothing delivered yet',
  no_deliveries_text: 'Send a test, or wait for the next event.', no_deliveries_so: 'No such deliveries', attempts: { one: '{n} try', other: '{n} tries' },
  next_attempt: 'next {ago}', replay_parked: 'Replay parked',
  replay_parked_title: { one: 'Replay {n} delivery?', other: 'Replay {n} deliveries?' }, replay_parked_text: '{url} gets them again, oldest first.',
  replay_parked_fix: 'What is refused again for 3 days is parked again', replay_parked_order: 'What came before for the same person comes first',
  replayed_n: { one: '{n} delivery is on its way again', other: '{n} deliveries are on their way again' }, replayed_one: 'On its way again',
};
