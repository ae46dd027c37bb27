//! Tables of texts, and the module that a page has of one.

use crate::Language;

/// The texts of a language, with a field for each key. A language that lacks one does not compile.
macro_rules! texts {
    ($($key:ident),* $(,)?) => {
        struct Texts {
            $($key: &'static str),*
        }

        impl Texts {
            fn all(&self) -> crate::table::Table {
                vec![$((stringify!($key), self.$key)),*]
            }
        }
    };
}

pub(crate) use texts;

/// Keys with their texts.
pub(crate) type Table = Vec<(&'static str, &'static str)>;

/// The module of a page, of the texts in `source`: `export const TEXTS = { ru: {…}, en: {…} };`.
pub(crate) fn module(source: &str, of: impl Fn(Language) -> Table) -> String {
    let mut module = format!("//! Written from {source}: see there.\n\nexport const TEXTS = {{\n");
    for (code, language) in [("ru", Language::Russian), ("en", Language::English)] {
        module += &format!("  {code}: {{\n");
        for (key, text) in of(language) {
            module += &format!("    {key}: {},\n", serde_json::Value::from(text));
        }
        module += "  },\n";
    }
    module + "};\n"
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Compares the module in this file with what it should be. `TEXTS=new cargo test -p texts` writes it.
    pub(crate) fn expect_module(file: &str, module: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        if std::env::var_os("TEXTS").is_some_and(|it| it == "new") {
            fs::write(&path, module).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert_eq!(found, module, "{file} is out of date: run TEXTS=new cargo test -p texts");
    }

    /// Both languages insert the same values, `{name}`, into each text.
    pub(crate) fn expect_same_values(of: impl Fn(Language) -> Table) {
        let values = |text: &str| {
            let mut values: Vec<_> =
                text.split('{').skip(1).filter_map(|it| it.split('}').next()).map(str::to_owned).collect();
            values.sort();
            values.dedup();
            values
        };
        for ((key, ru), (_, en)) in of(Language::Russian).into_iter().zip(of(Language::English)) {
            assert_eq!(values(ru), values(en), "{key}");
        }
    }
}
