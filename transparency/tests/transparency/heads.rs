//! What is committed of each person, and which commitment a proof takes.

use domain::AccountId;
use eventlog::{Clock, Context};
use transparency::{Note, heads};
use uuid::Uuid;

use crate::world::World;

const PERSON: &str = "11111111-2222-4333-8444-555555555555";

impl World {
    /// An event of the person's own stream.
    async fn append_of_person(&self, sequence: i64) {
        self.run(&format!(
            "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata) \
             values ('account', '{PERSON}', {sequence}, 'Made', '1', '{{\"Made\":{{}}}}', '{{\"actor\":\"system\"}}')"
        ))
        .await;
        self.sequence().await;
    }

    async fn commit_heads(&self) {
        let done = heads::commit(&self.test.db, &Clock::system(), Context::system()).await;
        assert_eq!(done.expect("it commits").expect("something has happened").accounts, 1);
        self.sequence().await;
    }

    /// The lines of the person's proof that begin with this word.
    async fn proven(&self, word: &str) -> Vec<String> {
        let checkpoint = self.checkpoint().await;
        let note = Note::parse(&self.state().await.checkpoint.expect("one was signed")).expect("a note");
        let person = AccountId(Uuid::parse_str(PERSON).expect("an id"));
        let file = heads::prove(&self.test.db, person, &checkpoint, &note).await.expect("there is a proof");
        file.lines().filter(|line| line.starts_with(word)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_proof_takes_the_newest_commitment_that_is_signed() {
    let world = World::new().await;
    let head = |version: i64, position: i64, events: i64| {
        format!(
            "head {{\"stream\":\"account\",\"stream_id\":\"{PERSON}\",\
             \"version\":{version},\"position\":{position},\"events\":{events}}}"
        )
    };
    world.append_of_person(1).await;
    world.commit_heads().await;
    let mut keeper = world.kept_once().await;
    assert_eq!(world.proven("head ").await, [head(1, 1, 1)]);

    // Two more, of which nothing is signed yet.
    for sequence in [2, 3] {
        world.append_of_person(sequence).await;
        world.commit_heads().await;
        assert_eq!(world.proven("head ").await, [head(1, 1, 1)]);
        assert_eq!(world.proven("event ").await.len(), 2);
    }
    world.pass(&mut keeper).await.unwrap();
    assert_eq!(world.proven("head ").await, [head(3, 5, 3)]);
    assert_eq!(world.proven("event ").await.len(), 4);

    // What is older than the one that was signed last is gone.
    world.append_of_person(4).await;
    world.commit_heads().await;
    let kept = sqlx::query_scalar::<_, i64>("select distinct position from log_heads order by position");
    assert_eq!(kept.fetch_all(world.test.db.pool()).await.unwrap(), [5, 7]);
}
