-- $1 now. Gives up what was to be sent before that.
update vault.outbox
   set state = 'gave_up',
       why = 'too late',
       lane = null,
       chat = null,
       body = null
 where state = 'waiting'
   and not_after < $1
   and message_id is null
