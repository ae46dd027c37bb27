//! Two binary forms of a row: packed, which saves memory, and as a tuple of a binary COPY.
//!
//! The packed form stays in this process: it has no version and is never stored. A tuple is PostgreSQL's binary format:
//! the number of columns, then each value with its length in bytes, -1 for null.

use domain::{AccountId, InviteId, Limits, LoginId, LoginStatus, Role, Tier};
use jiff::Timestamp;
use uuid::Uuid;

/// The columns of a row, in their order.
pub trait Columns: Sized {
    /// Their names.
    const NAMES: &'static [&'static str];

    fn pack(&self, out: &mut Vec<u8>);
    /// The reverse of [`Columns::pack`].
    fn unpack(packed: &[u8]) -> Self;
    /// One tuple of a binary COPY.
    fn tuple(&self, out: &mut Vec<u8>);
}

/// A type that a column can hold.
pub(super) trait Column: Sized {
    fn pack(&self, out: &mut Vec<u8>);
    fn unpack(packed: &mut &[u8]) -> Self;
    /// One value of a binary COPY, with its length.
    fn value(&self, out: &mut Vec<u8>);
}

/// Defines a row, whose fields are the view's columns.
macro_rules! columns {
    ($(#[$attribute:meta])* $visibility:vis struct $row:ident {
        $($(#[$field_attribute:meta])* $field_visibility:vis $column:ident: $type:ty,)+
    }) => {
        $(#[$attribute])*
        $visibility struct $row {
            $($(#[$field_attribute])* $field_visibility $column: $type,)+
        }

        impl $crate::views::columns::Columns for $row {
            const NAMES: &'static [&'static str] = &[$(stringify!($column)),+];

            fn pack(&self, out: &mut Vec<u8>) {
                $($crate::views::columns::Column::pack(&self.$column, out);)+
            }

            fn unpack(mut packed: &[u8]) -> Self {
                // In the order in which they are written here, which is the order in which they were packed.
                Self { $($column: $crate::views::columns::Column::unpack(&mut packed)),+ }
            }

            fn tuple(&self, out: &mut Vec<u8>) {
                out.extend((Self::NAMES.len() as i16).to_be_bytes());
                $($crate::views::columns::Column::value(&self.$column, out);)+
            }
        }
    };
}
pub(super) use columns;

/// 2000-01-01 00:00 UTC, from which PostgreSQL counts microseconds.
const POSTGRES_EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

pub(super) fn take<const N: usize>(packed: &mut &[u8]) -> [u8; N] {
    let (head, rest) = packed.split_first_chunk().expect("a row is unpacked as it was packed");
    *packed = rest;
    *head
}

pub(super) fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as i32).to_be_bytes());
    out.extend(bytes);
}

/// Text in its length and bytes.
fn pack_text(text: &str, out: &mut Vec<u8>) {
    (text.len() as i64).pack(out);
    out.extend(text.as_bytes());
}

fn unpack_text<'a>(packed: &mut &'a [u8]) -> &'a str {
    let length = i64::unpack(packed) as usize;
    let (text, rest) = packed.split_at(length);
    *packed = rest;
    std::str::from_utf8(text).expect("a row is unpacked as it was packed")
}

/// jsonb: its version, then JSON.
pub(super) fn put_json(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0, 0, 0, 0, 1]);
    serde_json::to_writer(&mut *out, value).expect("a row is plain data with text keys");
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

impl Column for i64 {
    /// Seven bits a byte, the sign last: small numbers are short.
    fn pack(&self, out: &mut Vec<u8>) {
        let mut left = ((self << 1) ^ (self >> 63)) as u64;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        let (mut folded, mut shift) = (0_u64, 0);
        loop {
            let [byte] = take(packed);
            folded |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return (folded >> 1) as i64 ^ -((folded & 1) as i64);
            }
        }
    }

    fn value(&self, out: &mut Vec<u8>) {
        put(&self.to_be_bytes(), out);
    }
}

impl Column for i32 {
    fn pack(&self, out: &mut Vec<u8>) {
        i64::from(*self).pack(out);
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        i64::unpack(packed) as i32
    }

    fn value(&self, out: &mut Vec<u8>) {
        put(&self.to_be_bytes(), out);
    }
}

impl Column for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        take::<1>(packed) == [1]
    }

    fn value(&self, out: &mut Vec<u8>) {
        put(&[u8::from(*self)], out);
    }
}

impl Column for Timestamp {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend(self.as_microsecond().to_be_bytes());
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        let microseconds = i64::from_be_bytes(take(packed));
        Self::from_microsecond(microseconds).expect("a row is unpacked as it was packed")
    }

    fn value(&self, out: &mut Vec<u8>) {
        (self.as_microsecond() - POSTGRES_EPOCH_MICROSECONDS).value(out);
    }
}

impl Column for String {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_text(self, out);
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        unpack_text(packed).to_owned()
    }

    fn value(&self, out: &mut Vec<u8>) {
        put(self.as_bytes(), out);
    }
}

impl Column for LoginId {
    fn pack(&self, out: &mut Vec<u8>) {
        pack_text(self.as_str(), out);
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        unpack_text(packed).parse().expect("a row is unpacked as it was packed")
    }

    fn value(&self, out: &mut Vec<u8>) {
        put(self.as_str().as_bytes(), out);
    }
}

impl<T: Column> Column for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.pack(out);
        }
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        bool::unpack(packed).then(|| T::unpack(packed))
    }

    fn value(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.value(out),
            None => out.extend((-1_i32).to_be_bytes()),
        }
    }
}

/// bigint[].
impl Column for Vec<i64> {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as i64).pack(out);
        for number in self {
            number.pack(out);
        }
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        let length = i64::unpack(packed);
        (0..length).map(|_| i64::unpack(packed)).collect()
    }

    fn value(&self, out: &mut Vec<u8>) {
        /// The number of the type bigint in every PostgreSQL.
        const BIGINT: i32 = 20;
        let dimensions = i32::from(!self.is_empty());
        let bytes = 12 + 8 * dimensions + 12 * self.len() as i32;
        // One dimension, no null in it, counted from 1; an empty array has no dimension.
        for number in [bytes, dimensions, 0, BIGINT] {
            out.extend(number.to_be_bytes());
        }
        if dimensions > 0 {
            out.extend((self.len() as i32).to_be_bytes());
            out.extend(1_i32.to_be_bytes());
        }
        for number in self {
            number.value(out);
        }
    }
}

impl Column for Limits {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { max_channels, max_groups, posts_per_day, rag_per_day, voice_per_day, ai_digest, priority } =
            self;
        for number in [max_channels, max_groups, posts_per_day, rag_per_day, voice_per_day] {
            number.pack(out);
        }
        ai_digest.pack(out);
        priority.pack(out);
    }

    fn unpack(packed: &mut &[u8]) -> Self {
        let [max_channels, max_groups, posts_per_day, rag_per_day, voice_per_day] =
            std::array::from_fn(|_| i32::unpack(packed));
        let [ai_digest, priority] = std::array::from_fn(|_| bool::unpack(packed));
        Self { max_channels, max_groups, posts_per_day, rag_per_day, voice_per_day, ai_digest, priority }
    }

    fn value(&self, out: &mut Vec<u8>) {
        put_json(self, out);
    }
}

macro_rules! uuid_column {
    ($id:ident) => {
        impl Column for $id {
            fn pack(&self, out: &mut Vec<u8>) {
                out.extend(self.0.as_bytes());
            }

            fn unpack(packed: &mut &[u8]) -> Self {
                Self(Uuid::from_bytes(take(packed)))
            }

            fn value(&self, out: &mut Vec<u8>) {
                put(self.0.as_bytes(), out);
            }
        }
    };
}

uuid_column!(AccountId);
uuid_column!(InviteId);

/// A column of an enum: packed as the number of the variant, written as its stored name.
macro_rules! enum_column {
    ($enumeration:ident { $($variant:ident),+ }) => {
        impl $crate::views::columns::Column for $enumeration {
            fn pack(&self, out: &mut Vec<u8>) {
                let all = [$(Self::$variant),+];
                let number = all.iter().position(|variant| variant == self).expect("every variant is in the list");
                out.push(number as u8);
            }

            fn unpack(packed: &mut &[u8]) -> Self {
                let [number] = $crate::views::columns::take(packed);
                [$(Self::$variant),+][usize::from(number)]
            }

            fn value(&self, out: &mut Vec<u8>) {
                // A variant that is missing in the list does not compile.
                match self {
                    $(Self::$variant)|+ => $crate::views::columns::put(self.name().as_bytes(), out),
                }
            }
        }
    };
}
pub(super) use enum_column;

enum_column!(Role { User, Admin, Auditor });
enum_column!(Tier { Free, Trial, Basic, Premium, Enterprise });
enum_column!(LoginStatus {
    Waiting,
    CodeRequired,
    PasswordRequired,
    Authorized,
    Expired,
    Cancelled,
    Rejected,
    Failed
});

#[cfg(test)]
mod tests;
