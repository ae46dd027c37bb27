//! What both command lines print with. A stranger's text is made harmless ([`harmless`], [`csv_field`], [`write_json`],
//! [`LogLines`]), a table fits the terminal ([`columns`]), and a mistyped name gets the nearest one ([`suggest`]).

pub mod columns;
pub mod suggest;
mod text;

pub use text::{LogLines, csv_field, harmless, write_json};
