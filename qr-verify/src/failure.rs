//! Why something does not hold, or was not checked.

/// Why it does not hold, or was not checked: the exit code, and what is told.
pub struct Failure(pub u8, pub Vec<String>);

impl Failure {
    pub fn refuted(lines: Vec<String>) -> Self {
        Self(1, lines.iter().map(|line| format!("does not hold: {}", plain(line))).collect())
    }

    pub fn unusable(text: impl Into<String>) -> Self {
        Self(2, vec![text.into()])
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::refuted(vec![text])
    }
}

/// Without power over a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() && it != '\n' { '\u{fffd}' } else { it }).collect()
}
