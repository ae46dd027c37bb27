//! From the order of insertion to the order of positions: what comes before its turn waits for it.
//!
//! The two orders differ by whoever committed late, so few wait at a time: as many events as were given positions while an
//! older one was not committed yet, or as a late transaction has written.

use std::collections::BTreeMap;

pub(super) struct InOrder<T> {
    /// Whose turn it is. Positions are dense.
    next: i64,
    waiting: BTreeMap<i64, T>,
}

impl<T> InOrder<T> {
    /// What comes after this position.
    pub fn after(position: i64) -> Self {
        Self { next: position + 1, waiting: BTreeMap::new() }
    }

    /// Takes one in; gives it back where it is its turn. Then [`InOrder::pop`] gives those that waited for it.
    pub fn push(&mut self, position: i64, item: T) -> Option<(i64, T)> {
        if position != self.next {
            self.waiting.insert(position, item);
            return None;
        }
        self.next += 1;
        Some((position, item))
    }

    /// One that has waited, and whose turn it is now.
    pub fn pop(&mut self) -> Option<(i64, T)> {
        let first = self.waiting.first_entry().filter(|first| *first.key() == self.next)?;
        self.next += 1;
        Some(first.remove_entry())
    }

    /// What still waits where no more comes: a position that nobody has was waited for.
    pub fn rest(self) -> impl Iterator<Item = (i64, T)> {
        self.waiting.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(after: i64, positions: &[i64]) -> Vec<i64> {
        let (mut order, mut out) = (InOrder::after(after), Vec::new());
        for position in positions {
            let mut turn = order.push(*position, ());
            while let Some((position, ())) = turn {
                out.push(position);
                turn = order.pop();
            }
        }
        out.extend(order.rest().map(|(position, ())| position));
        out
    }

    #[test]
    fn whoever_comes_early_waits_for_their_turn() {
        assert_eq!(ordered(0, &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(ordered(4, &[9, 5, 7, 6, 8]), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_position_that_nobody_has_holds_back_but_loses_nothing() {
        assert_eq!(ordered(0, &[1, 4, 3]), [1, 3, 4]);
    }
}
