//! People are found by name, username and id, filtered, and listed in every order, page by page; with and without `pg_trgm`.

use domain::{AccountCommand, AccountId, Role, Tier};
use std::time::Duration;

use ::rebuild::rebuild;
use app::testing::Story;
use projections::views::users::filtered::{UserFilter, UserSort, filtered, finds_parts_of_names};
use projections::views::users::{SubscriptionStatus, by_username};

fn profile(first: &str, last: &str, username: &str) -> String {
    serde_json::json!({"first_name": first, "last_name": last, "username": username}).to_string()
}

const PEOPLE: [(i64, &str, &str, &str); 6] = [
    (11, "Иван", "Петров", "ivan_p"),
    (12, "Иванна", "Сидорова", "sidorova"),
    (13, "John", "Ivanov", "johnny"),
    (14, "Алёна", "Ким", "alenakim"),
    (15, "José", "100%_off", "deal_er"),
    (16, "Ян", "Ли", "yan16"),
];

/// They registered in this order, a minute apart.
async fn people(story: &Story) -> Vec<AccountId> {
    let mut people = Vec::new();
    for (id, first, last, username) in PEOPLE {
        people.push(story.person(id, &profile(first, last, username)).await);
        story.manual_clock.advance(Duration::from_secs(60));
    }
    story.settle().await;
    people
}

async fn found(story: &Story, filter: &UserFilter) -> Vec<i64> {
    let people = filtered(&story.db, filter, None, 50).await.unwrap();
    people.iter().map(|user| user.telegram_id).collect()
}

fn query(text: &str) -> UserFilter {
    UserFilter { query: Some(text.to_owned()), sort: Some(UserSort::Oldest), ..UserFilter::default() }
}

#[tokio::test]
async fn a_part_of_a_name_a_username_or_an_id_finds_people() {
    let story = Story::begin().await;
    let ids = people(&story).await;
    for (text, expected) in [
        ("иван", &[11, 12][..]),
        ("ИВАН", &[11, 12]),
        ("ванна", &[12]),
        ("петров иван", &[11]),
        ("ivan", &[11, 13]),
        ("алена", &[14]),
        ("jose", &[15]),
        ("ян", &[16]),
        ("л", &[16]),
        ("@iv", &[11]),
        ("@IVAN_P", &[11]),
        ("@van", &[]),
        ("johnn", &[13]),
        ("13", &[13]),
        ("16", &[16]),
        ("100%_o", &[15]),
        ("0__o", &[]),
        ("никого", &[]),
        ("  ", &[11, 12, 13, 14, 15, 16]),
    ] {
        assert_eq!(found(&story, &query(text)).await, expected, "{text:?}");
    }
    assert_eq!(found(&story, &query(&ids[3].to_string())).await, [14]);
    assert_eq!(by_username(&story.db, "IVAN_P").await.unwrap().unwrap().telegram_id, 11);

    // A new name is found, the old one is not, and an erased person is not.
    let subject = story.vault.subject_for(11).await.unwrap();
    story.set_profile(&subject, &profile("Пётр", "Иванов", "ivan_p")).await;
    story.account(ids[1], AccountCommand::Erase { at: story.clock.now() }).await;
    story.settle().await;
    assert_eq!(found(&story, &query("петр")).await, [11]);
    assert_eq!(found(&story, &query("петров")).await, [] as [i64; 0]);
    assert_eq!(found(&story, &query("иван")).await, [11]);
}

#[tokio::test]
async fn where_there_are_no_trigrams_the_beginning_of_a_name_is_found() {
    let story = Story::begin().await;
    people(&story).await;
    assert!(finds_parts_of_names(&story.db).await.unwrap());
    story.run("drop extension pg_trgm cascade").await;
    assert!(!finds_parts_of_names(&story.db).await.unwrap());
    for (text, expected) in [
        ("иван", &[11, 12][..]),
        ("Иван П", &[11]),
        ("ванна", &[]),
        ("петров", &[]),
        ("@ivan_", &[11]),
        ("ivan_p", &[11]),
        ("13", &[13]),
    ] {
        assert_eq!(found(&story, &query(text)).await, expected, "{text:?}");
    }
    // A rebuild makes it again, where it can be had.
    rebuild(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    assert_eq!(found(&story, &query("петров")).await, [11]);
}

#[tokio::test]
async fn people_are_filtered_and_sorted_page_by_page() {
    let story = Story::begin().await;
    let ids = people(&story).await;
    let at = story.clock.now();
    for (person, tier, days) in
        [(0, Tier::Premium, 30), (1, Tier::Premium, 3), (2, Tier::Basic, 0), (4, Tier::Trial, 7)]
    {
        let limits = story.tiers.limits(tier);
        story
            .account(
                ids[person],
                AccountCommand::ChangeSubscription { tier, days, limits, change_id: None, at },
            )
            .await;
    }
    story.account(ids[1], AccountCommand::Block { at }).await;
    story.account(ids[5], AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    story.settle().await;

    let all = UserFilter::default();
    for (filter, expected) in [
        (all.clone(), &[16, 15, 14, 13, 12, 11][..]),
        (UserFilter { sort: Some(UserSort::Oldest), ..all.clone() }, &[11, 12, 13, 14, 15, 16]),
        (UserFilter { tier: Some(Tier::Premium), ..all.clone() }, &[12, 11]),
        (UserFilter { tier: Some(Tier::Free), ..all.clone() }, &[16, 14]),
        (UserFilter { status: Some(SubscriptionStatus::None), ..all.clone() }, &[16, 14]),
        (UserFilter { role: Some(Role::Auditor), ..all.clone() }, &[16]),
        (UserFilter { role: Some(Role::User), ..all.clone() }, &[15, 14, 13, 12, 11]),
        (UserFilter { blocked: Some(true), ..all.clone() }, &[12]),
        (UserFilter { blocked: Some(false), tier: Some(Tier::Premium), ..all.clone() }, &[11]),
        (UserFilter { query: Some("иван".to_owned()), blocked: Some(true), ..all.clone() }, &[12]),
        (UserFilter { sort: Some(UserSort::Name), ..all.clone() }, &[14, 11, 12, 16, 13, 15]),
    ] {
        assert_eq!(found(&story, &filter).await, expected, "{filter:?}");
        assert_eq!(page_by_page(&story, &filter).await, expected, "{filter:?}");
    }
    // People without an end come last, in any order among themselves.
    for (sort, with_an_end) in [(UserSort::EndsFirst, [12, 15, 11]), (UserSort::EndsLast, [11, 15, 12])] {
        let filter = UserFilter { sort: Some(sort), ..all.clone() };
        let listed = page_by_page(&story, &filter).await;
        assert_eq!((listed.len(), &listed[..3]), (6, &with_an_end[..]), "{sort:?}");
        assert_eq!(listed, found(&story, &filter).await);
        let named = UserFilter { query: Some("ivan".to_owned()), ..filter };
        assert_eq!(page_by_page(&story, &named).await, [11, 13], "{sort:?}");
    }
}

/// The one with exactly this username is the first, however many begin so.
#[tokio::test]
async fn people_found_by_username_come_by_username() {
    let story = Story::begin().await;
    for (id, username) in [(21, "Ivan_z"), (22, "ivan"), (23, "IVAN_a"), (24, "petr"), (25, "ivanna")] {
        story.person(id, &profile("Some", "Body", username)).await;
        story.manual_clock.advance(Duration::from_secs(60));
    }
    story.settle().await;
    let named = |text: &str| UserFilter { query: Some(text.to_owned()), ..UserFilter::default() };
    for (filter, expected) in [
        (named("@ivan"), &[22, 23, 21, 25][..]),
        (named("@IVAN_"), &[23, 21]),
        (UserFilter { sort: Some(UserSort::Newest), ..named("@ivan") }, &[25, 23, 22, 21]),
        (named("ivan"), &[25, 23, 22, 21]),
    ] {
        assert_eq!(found(&story, &filter).await, expected, "{filter:?}");
        assert_eq!(page_by_page(&story, &filter).await, expected, "{filter:?}");
    }
}

/// One person a page.
async fn page_by_page(story: &Story, filter: &UserFilter) -> Vec<i64> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = filtered(&story.db, filter, after, 1).await.unwrap();
        let Some(user) = page.first() else { return listed };
        after = Some(user.account_id);
        listed.push(user.telegram_id);
    }
}

#[tokio::test]
async fn both_slots_have_the_same_indexes_and_know_no_statistics_of_names() {
    let story = Story::begin().await;
    people(&story).await;
    let indexes = async |slot: &str| -> Vec<String> {
        let sql = "select replace(indexdef, 'users_' || $1, 'users') from pg_indexes \
                    where schemaname = 'slots' and tablename = 'users_' || $1 order by 1";
        sqlx::query_scalar(sql).bind(slot).fetch_all(story.db.pool()).await.unwrap()
    };
    let before = indexes("a").await;
    assert_eq!(before.len(), 12, "{before:?}");
    assert_eq!(before, indexes("b").await);
    rebuild(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    assert_eq!((indexes("a").await, indexes("b").await), (before.clone(), before));

    story.run("analyze").await;
    let known: Vec<String> = sqlx::query_scalar(
        "select tablename || '.' || attname from pg_stats \
          where schemaname = 'slots' and (array_to_string(most_common_vals::text::text[], ' ') ~* 'ivan|deal|sidor|Иван' \
                or array_to_string(histogram_bounds::text::text[], ' ') ~* 'ivan|deal|sidor|Иван')",
    )
    .fetch_all(story.db.pool())
    .await
    .unwrap();
    assert_eq!(known, [] as [String; 0]);
}

#[tokio::test]
async fn everybody_is_listed_once_page_by_page_also_where_one_is_erased_meanwhile() {
    use projections::views::users::listed::{Listing, as_of, page};
    let story = Story::begin().await;
    let ids = people(&story).await;
    let first = page(&story.db, Listing::default(), 4).await.unwrap();
    let names =
        |users: &[projections::views::users::User]| users.iter().map(|it| it.telegram_id).collect::<Vec<_>>();
    assert_eq!(names(&first.found.users), [11, 12, 13, 14]);
    let next = first.found.next.expect("two more");
    assert_eq!(next.account_id, ids[3]);
    let at = story.clock.now();
    story.account(ids[3], AccountCommand::Erase { at }).await;
    story.settle().await;
    let rest = page(&story.db, Listing { after: Some(next), ..Listing::default() }, 4).await.unwrap();
    assert_eq!((names(&rest.found.users), rest.found.next), (vec![15, 16], None));
    assert!(rest.position > first.position);

    story.account(ids[4], AccountCommand::Block { at }).await;
    story.settle().await;
    let since = story.clock.now() - Duration::from_secs(1);
    let changed = Listing { updated_after: Some(since), ..Listing::default() };
    assert_eq!(names(&page(&story.db, changed, 4).await.unwrap().found.users), [15]);
    let nobody = Listing { tier: Some(Tier::Premium), ..Listing::default() };
    assert_eq!(names(&page(&story.db, nobody, 4).await.unwrap().found.users), [0_i64; 0]);
    let free =
        Listing { tier: Some(Tier::Free), status: Some(SubscriptionStatus::None), ..Listing::default() };
    assert_eq!(page(&story.db, free, 9).await.unwrap().found.users.len(), 5);

    let one = as_of(&story.db, 15).await.unwrap();
    assert!(one.found.is_some_and(|user| user.is_blocked));
    assert!(one.position > rest.position);
    assert_eq!(as_of(&story.db, 14).await.unwrap().found, None);
}
