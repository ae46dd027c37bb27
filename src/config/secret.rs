//! Secrets: a variable, or a file that `<NAME>_FILE` names. Never a flag, which everybody on the machine could read.

use std::path::Path;

use secrecy::SecretString;
use vault::secret_file;

use super::bad_setting::BadSetting;

/// The secret of this name; None where neither it nor its file is set. Whitespace around it is no part of it.
///
/// # Errors
/// Both are set, or the file cannot be read, or others can read it. The value is in no message.
pub fn secret(setting: &'static str) -> Result<Option<SecretString>, BadSetting> {
    let value = std::env::var(setting).ok().filter(|value| !value.trim().is_empty());
    let file = std::env::var_os(format!("{setting}_FILE")).filter(|path| !path.is_empty());
    match (value, file) {
        (Some(_), Some(_)) => {
            Err(BadSetting::new(setting, format!("both {setting} and {setting}_FILE are set; keep one")))
        }
        (Some(value), None) => Ok(Some(SecretString::from(value.trim()))),
        (None, Some(path)) => {
            let text = secret_file::read(Path::new(&path))
                .map_err(|error| BadSetting::new(setting, format!("{setting}_FILE: {error}")))?;
            Ok(Some(SecretString::from(text.trim())).filter(|_| !text.trim().is_empty()))
        }
        (None, None) => Ok(None),
    }
}
