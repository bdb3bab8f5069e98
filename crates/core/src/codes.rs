//! Codes that people read from one screen and type on another.

/// What was meant: blanks and hyphens don't count, nor does the case, and letters that look like a digit are that digit
/// (api.md §4.6).
#[must_use]
pub fn folded(typed: &str) -> String {
    let letters = typed.chars().filter(|c| !c.is_whitespace() && *c != '-');
    letters
        .map(|c| match c.to_ascii_uppercase() {
            'I' | 'L' => '1',
            'O' => '0',
            other => other,
        })
        .collect()
}
