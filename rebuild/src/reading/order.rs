//! Puts events that come in the order of insertion into the order of positions. An event that comes early waits.
//!
//! The two orders differ only where a transaction committed late. So few events wait at a time: those that got positions
//! while an older one was not committed, or those that a late transaction wrote.

use std::collections::BTreeMap;

pub(super) struct InOrder<T> {
    /// The next position to give out. Positions are dense.
    next: i64,
    waiting: BTreeMap<i64, T>,
}

impl<T> InOrder<T> {
    /// Begins after this position.
    pub fn after(position: i64) -> Self {
        Self { next: position + 1, waiting: BTreeMap::new() }
    }

    /// Adds an item, and returns it if it is the next one. Then [`InOrder::pop`] returns those that waited for it.
    pub fn push(&mut self, position: i64, item: T) -> Option<(i64, T)> {
        if position != self.next {
            self.waiting.insert(position, item);
            return None;
        }
        self.next += 1;
        Some((position, item))
    }

    /// The next item, if it has waited.
    pub fn pop(&mut self) -> Option<(i64, T)> {
        let first = self.waiting.first_entry().filter(|first| *first.key() == self.next)?;
        self.next += 1;
        Some(first.remove_entry())
    }

    /// The items that still wait at the end, because a position before them is missing.
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
            let mut ready = order.push(*position, ());
            while let Some((position, ())) = ready {
                out.push(position);
                ready = order.pop();
            }
        }
        out.extend(order.rest().map(|(position, ())| position));
        out
    }

    #[test]
    fn an_item_that_comes_early_waits_for_its_turn() {
        assert_eq!(ordered(0, &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(ordered(4, &[9, 5, 7, 6, 8]), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_missing_position_delays_items_and_loses_none() {
        assert_eq!(ordered(0, &[1, 4, 3]), [1, 3, 4]);
    }
}
