//! What a person is told who typed a name that does not exist.

/// How alike two names have to be for one to be meant: 1 is equal.
const ALIKE: f64 = 0.75;

/// `there is no event "QrIsued": did you mean QrIssued? There are …`, in one line.
pub fn unknown(kind: &str, given: &str, known: &[&str]) -> String {
    let meant = nearest(given, known).map(|name| format!(": did you mean {name}?"));
    let meant = meant.unwrap_or_else(|| ".".to_owned());
    format!("there is no {kind} {given:?}{meant} There are {}", known.join(", "))
}

/// The name that was probably meant.
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&given, &name.to_lowercase());
    let best = known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::{nearest, unknown};

    #[test]
    fn a_misspelt_name_is_found_and_nonsense_is_not() {
        let known = ["QrIssued", "CodeSent", "LoginStarted"];
        assert_eq!(nearest("qrissued", &known), Some("QrIssued"));
        assert_eq!(nearest("QrIsued", &known), Some("QrIssued"));
        assert_eq!(nearest("login_started", &known), Some("LoginStarted"));
        assert_eq!(nearest("xyz", &known), None);
        assert_eq!(
            unknown("event", "CodeSend", &known),
            "there is no event \"CodeSend\": did you mean CodeSent? There are QrIssued, CodeSent, LoginStarted"
        );
        assert_eq!(
            unknown("event", "\u{1b}", &["A"]),
            "there is no event \"\\u{1b}\". There are A",
            "it has no power over a terminal"
        );
    }
}
