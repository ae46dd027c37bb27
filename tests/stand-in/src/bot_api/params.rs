//! The parameters of a call, in any of the three encodings: JSON, a form, or multipart (which teloxide
//! uses for `setWebhook`). Forms carry everything as text and objects as JSON in it, so every getter takes both.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The parameters of one call.
#[derive(Debug, Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    pub fn read(content_type: &str, query: &str, body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Map::new();
        let mut form = |bytes: &[u8]| {
            for (name, value) in form_urlencoded::parse(bytes) {
                fields.insert(name.into_owned(), Value::String(value.into_owned()));
            }
        };
        form(query.as_bytes());
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" if body.is_empty() => {}
            "application/json" => match serde_json::from_slice(body) {
                Ok(Value::Object(object)) => fields.extend(object),
                _ => return Err(Refusal::bad_request("can't parse JSON object")),
            },
            "multipart/form-data" => {
                let parts = multipart(content_type, body)
                    .ok_or_else(|| Refusal::bad_request("can't parse multipart form data"))?;
                fields.extend(parts.into_iter().map(|(name, text)| (name, Value::String(text))));
            }
            _ => form(body),
        }
        fields.retain(|_, value| !value.is_null());
        Ok(Self(fields))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_i64()),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| invalid(name)),
            Some(_) => Err(invalid(name)),
        }
    }

    /// The text of a field; numbers and objects read as they are written.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("true" | "True" | "1"))
    }

    /// An object or list, also where it came as JSON in a text field. The refusal says `what` could not be parsed.
    pub fn object<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>, Refusal> {
        let refused = |error| Refusal::bad_request(format!("can't parse {what}: {error}"));
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some).map_err(refused),
            Some(value) => serde_json::from_value(value.clone()).map(Some).map_err(refused),
        }
    }
}

fn invalid(name: &str) -> Refusal {
    Refusal::bad_request(format!("invalid parameter \"{name}\" specified"))
}

/// The text fields of a multipart body (RFC 7578). Files are not something this server takes.
fn multipart(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let boundary = content_type.split("boundary=").nth(1)?.split(';').next()?.trim_matches('"');
    let body = std::str::from_utf8(body).ok()?;
    let mut fields = Vec::new();
    for part in body.split(&format!("--{boundary}")).skip(1) {
        if part.starts_with("--") {
            return Some(fields);
        }
        let (head, content) = part.split_once("\r\n\r\n")?;
        let name = head.split(" name=\"").nth(1)?.split('"').next()?;
        fields.push((name.to_owned(), content.strip_suffix("\r\n")?.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_encodings_read_the_same() {
        let multipart = "--xx\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"list\"\r\n\r\n[1,2]\r\n--xx--\r\n";
        for (content_type, body) in [
            ("application/json", r#"{"chat_id":7,"list":[1,2],"gone":null}"#),
            ("application/x-www-form-urlencoded", "chat_id=7&list=%5B1%2C2%5D"),
            ("multipart/form-data; boundary=xx", multipart),
        ] {
            let params = Params::read(content_type, "", body.as_bytes()).unwrap();
            assert_eq!(params.integer("chat_id"), Ok(Some(7)), "{content_type}");
            assert_eq!(params.object("list", "list"), Ok(Some(vec![1, 2])), "{content_type}");
            assert_eq!(params.text("gone"), None);
        }
    }

    #[test]
    fn a_body_that_is_not_an_object_is_refused() {
        assert_eq!(Params::read("application/json", "", b"[1]").unwrap_err().code, 400);
        assert_eq!(Params::read("multipart/form-data; boundary=xx", "", b"--xx").unwrap_err().code, 400);
    }
}
