//! The name, key and columns of a view, and the SQL statements that they make.

/// A view's name, key and columns, as its tables have them.
#[derive(Debug)]
pub struct Shape {
    /// `users`: the public name, the stem of the slots, and the name of the checkpoint.
    pub name: &'static str,
    /// The key's column.
    pub key: &'static str,
    /// The key's type in SQL.
    pub key_type: &'static str,
    /// Every column of a slot.
    pub columns: &'static [&'static str],
    /// The version of the fold. Raise it when the same log makes other rows: a view that another version built is
    /// rebuilt without an order.
    pub version: i32,
}

impl Shape {
    /// `account_id, telegram_id, …`
    pub fn column_list(&self) -> String {
        self.columns.join(", ")
    }

    /// `slots.users_a`
    pub fn table(&self, slot: &str) -> String {
        format!("slots.{}_{slot}", self.name)
    }

    /// Rows by their keys, as JSON. The keys are a parameter of this number, text[].
    pub fn select(&self, slot: &str, keys: usize) -> String {
        let Self { key, key_type, .. } = self;
        format!(
            "select r.{key}::text, to_jsonb(r) from (select {} from {} where {key} = any(${keys}::{key_type}[])) r",
            self.column_list(),
            self.table(slot)
        )
    }

    /// All rows with their keys, as JSON.
    pub fn select_all(&self, slot: &str) -> String {
        let (key, columns, table) = (self.key, self.column_list(), self.table(slot));
        format!("select r.{key}::text, to_jsonb(r) from (select {columns} from {table}) r")
    }

    /// Writes rows: new ones, and those that differ from what is there. The rows are a parameter of this number, a jsonb array.
    pub fn upsert(&self, slot: &str, rows: usize) -> String {
        let (columns, table) = (self.column_list(), self.table(slot));
        let updates: Vec<String> = self
            .columns
            .iter()
            .filter(|column| **column != self.key)
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        format!(
            "insert into {table} ({columns}) select {columns} from jsonb_populate_recordset(null::{table}, ${rows}) \
             on conflict ({}) do update set {}",
            self.key,
            updates.join(", ")
        )
    }

    /// How many rows are not the same in two slots, how many are in the second alone, and how many in the first alone.
    pub fn count_differences(&self, slot: &str, other: &str) -> String {
        let key = self.key;
        format!(
            "select count(*), count(*) filter (where l.{key} is null), count(*) filter (where n.{key} is null) {}",
            self.differing(slot, other)
        )
    }

    /// Keys and rows, as JSON, of the first rows ($1) that are not the same in two slots; null where a slot has no such row.
    pub fn differences(&self, slot: &str, other: &str) -> String {
        let (key, differing) = (self.key, self.differing(slot, other));
        format!(
            "select key::text, case when in_first then to_jsonb(l) end, case when in_second then to_jsonb(n) end \
               from (select coalesce(l.{key}, n.{key}) as key, l, n, \
                            l.{key} is not null as in_first, n.{key} is not null as in_second \
                     {differing} order by 1 limit $1) as found \
              order by found.key"
        )
    }

    fn differing(&self, slot: &str, other: &str) -> String {
        let (key, columns) = (self.key, self.column_list());
        format!(
            "from (select {columns} from {}) l \
             full join (select {columns} from {}) n on n.{key} = l.{key} \
             where l is distinct from n",
            self.table(slot),
            self.table(other),
        )
    }

    /// Deletes rows by their keys ($1, text[]).
    pub fn delete(&self, slot: &str) -> String {
        format!("delete from {} where {} = any($1::{}[])", self.table(slot), self.key, self.key_type)
    }
}

#[cfg(test)]
mod tests;
