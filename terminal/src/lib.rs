//! What both command lines print with. A stranger's text is made harmless ([`harmless`], [`csv_field`], [`write_json`],
//! [`LogLines`]), a logged error has its causes ([`JsonLines`], [`error_chain`]), a table fits the terminal ([`columns`]), and a mistyped name gets the nearest one ([`suggest`]).

pub mod columns;
mod json_lines;
mod phrases;
pub mod suggest;
mod text;

pub use json_lines::JsonLines;
pub use phrases::{counted, error_chain};
pub use text::{LogLines, csv_field, harmless, print_json, write_json};
