//! Secrets: a variable, or a file that `<NAME>_FILE` names. Never a flag, which everybody on the machine could read.

use secrecy::SecretString;

use super::bad_setting::BadSetting;

/// The secret of this name; None where neither it nor its file is set. Whitespace around it is no part of it.
///
/// # Errors
/// Both are set, or the file cannot be read. The value is in no message.
pub fn secret(setting: &'static str) -> Result<Option<SecretString>, BadSetting> {
    let value = std::env::var(setting).ok().filter(|value| !value.trim().is_empty());
    let file = std::env::var_os(format!("{setting}_FILE")).filter(|path| !path.is_empty());
    match (value, file) {
        (Some(_), Some(_)) => {
            Err(BadSetting::new(setting, format!("both {setting} and {setting}_FILE are set; keep one")))
        }
        (Some(value), None) => Ok(Some(SecretString::from(value.trim()))),
        (None, Some(path)) => {
            let path = std::path::PathBuf::from(path);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                BadSetting::new(setting, format!("{setting}_FILE ({}): {error}", path.display()))
            })?;
            Ok(Some(SecretString::from(text.trim())).filter(|_| !text.trim().is_empty()))
        }
        (None, None) => Ok(None),
    }
}
