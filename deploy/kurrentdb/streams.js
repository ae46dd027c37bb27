// A projection of KurrentDB and EventStoreDB: the streams of the log, as links to the one stream that `replay mirror` writes.
//
// An event of login X is linked to from `login-X`, one of account Y from `account-Y`, and so on for every kind of stream. So the
// stream of a login has its events, in their order, and each link leads to the event in the copy. Nothing is copied: a link holds
// the place of the event, and the names of the streams hold random ids.
//
// It keeps no state. What becomes of an event depends on that event alone, so the server may restart it anywhere.
//
// docs/mirror.md has the command that creates it. The server has to run with --run-projections=All. The projection is created with
// emit=true, and trackemittedstreams=false. For all that a login caused, in every stream, there is the server's own $by_correlation_id.

// Which stream has the copy: `replay mirror` prints its name.
const COPY = 'qr_login-LOG';
// Put before each stream's name. A second projection needs another one: two may not write to the same stream.
const PREFIX = '';

// Where an event is in the log, by its metadata. An event of another writer may have none, or metadata that are no JSON.
function originOf(event) {
  try {
    return JSON.parse(event.metadataRaw) || {};
  } catch (error) {
    return {};
  }
}

fromStream(COPY).when({
  $any: function (state, event) {
    const origin = originOf(event);
    if (origin.log && origin.stream && origin.stream_id) {
      linkTo(PREFIX + origin.stream + '-' + origin.stream_id, event);
    }
    return state;
  },
});
