//! Pages of a list: how many items one has, and the cursor of the next.

use serde::{Deserialize, Deserializer, de};

const MOST: i64 = 200;
const USUAL: i64 = 50;

/// How many items a page has: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(i64);

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl Limit {
    /// So many items.
    pub fn items(self) -> usize {
        usize::try_from(self.0).expect("a limit is small")
    }

    /// One more than the page has: whether there is a next one.
    pub fn and_one(self) -> i64 {
        self.0 + 1
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = i64::deserialize(deserializer)?;
        match (1..=MOST).contains(&limit) {
            true => Ok(Self(limit)),
            false => Err(de::Error::custom("a limit is 1 to 200")),
        }
    }
}

/// The cursor of the next page; `items` has one more than the page where there is one, and loses that.
pub fn next<T>(items: &mut Vec<T>, limit: Limit, cursor: impl Fn(&T) -> String) -> Option<String> {
    let most = limit.items();
    if items.len() <= most {
        return None;
    }
    items.truncate(most);
    items.last().map(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_next_one_only_where_something_follows() {
        let page = |mut items: Vec<u32>, limit| {
            let next = next(&mut items, Limit(limit), ToString::to_string);
            (items, next)
        };
        assert_eq!(page(vec![1, 2, 3], 2), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(page(vec![1, 2], 2), (vec![1, 2], None));
        assert_eq!(page(vec![], 2), (vec![], None));
    }

    #[test]
    fn a_limit_is_a_number_from_1_to_200() {
        let read = |text: &str| serde_json::from_str::<Limit>(text).ok();
        assert_eq!([read("1"), read("200")], [Some(Limit(1)), Some(Limit(200))]);
        assert_eq!(["0", "201", "-1", "\"x\"", "1.5"].map(read), [None; 5]);
    }
}
