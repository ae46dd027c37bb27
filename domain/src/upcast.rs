//! Older versions of stored events, brought to today's shape as they are read. What is stored is never changed.
//!
//! An event that changes otherwise than by an optional field gets a new version here, a step that makes the new shape out of
//! the one before, and a golden file of its own; the older files stay, and a test reads them all. Steps are chained:
//! version 1 becomes 2, 2 becomes 3.
//!
//! The first such change is the example: `CodeRejected` and `PasswordRejected` left `reason` out where the code or the
//! password was simply wrong. A reader of the history had to know that. Version 2 says it.

use serde_json::{Value, json};

/// One step from one version to the next.
struct Step {
    event: &'static str,
    /// From which version; the next number is what it makes.
    from: u32,
    /// Changes the event's fields.
    change: fn(&mut Value),
}

const STEPS: [Step; 2] = [
    Step { event: "CodeRejected", from: 1, change: say_that_it_was_wrong },
    Step { event: "PasswordRejected", from: 1, change: say_that_it_was_wrong },
];

fn say_that_it_was_wrong(fields: &mut Value) {
    if let Value::Object(fields) = fields {
        fields.entry("reason").or_insert(json!("wrong"));
    }
}

/// The version that an event of this name is written in.
pub fn current_version(event: &str) -> u32 {
    let steps = STEPS.iter().filter(|step| step.event == event);
    steps.map(|step| step.from + 1).max().unwrap_or(1)
}

/// Whether this stored version is the one that such an event is written in today.
pub fn is_current(event: &str, version: &str) -> bool {
    version.parse() == Ok(current_version(event))
}

/// The payload `{"<Event>": {…}}` in the newest shape that can be made of it, and that shape's version. A version that
/// nobody knows comes back as it is.
pub fn upcast(event: &str, version: &str, mut payload: Value) -> (String, Value) {
    let Ok(mut reached) = version.parse::<u32>() else { return (version.to_owned(), payload) };
    while let Some(step) = STEPS.iter().find(|step| step.event == event && step.from == reached) {
        if let Some(fields) = payload.get_mut(event) {
            (step.change)(fields);
        }
        reached += 1;
    }
    (reached.to_string(), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_was_left_out_is_said_and_one_that_was_given_stays() {
        let v1 = |reason: Value| json!({"CodeRejected": {"attempt": 1, "reason": reason}});
        let left_out = json!({"CodeRejected": {"attempt": 1}});
        assert_eq!(upcast("CodeRejected", "1", left_out), ("2".to_owned(), v1(json!("wrong"))));
        assert_eq!(upcast("CodeRejected", "1", v1(json!("stale"))), ("2".to_owned(), v1(json!("stale"))));
    }

    #[test]
    fn what_needs_no_step_or_knows_none_comes_back_as_it_is() {
        let payload = json!({"QrIssued": {}});
        for version in ["1", "7", "x"] {
            assert_eq!(upcast("QrIssued", version, payload.clone()), (version.to_owned(), payload.clone()));
        }
        assert_eq!(current_version("QrIssued"), 1);
        assert_eq!(current_version("CodeRejected"), 2);
    }

    #[test]
    fn the_steps_of_an_event_are_a_chain_from_its_first_version() {
        for step in &STEPS {
            let all: Vec<u32> = STEPS.iter().filter(|it| it.event == step.event).map(|it| it.from).collect();
            let wanted: Vec<u32> = (1..=u32::try_from(all.len()).unwrap()).collect();
            assert_eq!(all, wanted, "{}", step.event);
        }
    }
}
