//! What an operator is told before and after moving in: what comes, what should be looked at, what can't come and why.

use std::fmt;

/// How many names are listed under one reason.
const NAMED: usize = 20;

/// The report of an import or an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether it is about what goes.
    goes: bool,
    comes: Vec<(String, usize)>,
    look: Vec<Note>,
    left: Vec<Note>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Note {
    why: String,
    names: Vec<String>,
    more: usize,
}

fn note(notes: &mut Vec<Note>, why: &str, name: String) {
    let at = notes.iter().position(|note| note.why == why).unwrap_or_else(|| {
        notes.push(Note { why: why.to_owned(), names: Vec::new(), more: 0 });
        notes.len() - 1
    });
    match notes[at].names.len() {
        _ if name.is_empty() => {}
        NAMED.. => notes[at].more += 1,
        _ => notes[at].names.push(name),
    }
}

impl Report {
    /// The report of an export.
    #[must_use]
    pub fn of_export() -> Self {
        Self { goes: true, ..Self::default() }
    }

    /// So many of something come.
    pub fn comes(&mut self, what: &str, how_many: usize) {
        if how_many > 0 {
            self.comes.push((what.to_owned(), how_many));
        }
    }

    /// Something comes, but somebody should look at it. `why` is a sentence; `name`, if not empty, is listed below it.
    pub fn look(&mut self, why: &str, name: impl Into<String>) {
        note(&mut self.look, why, name.into());
    }

    /// Something can't come. `why` is a sentence; `name`, if not empty, is listed below it.
    pub fn left(&mut self, why: &str, name: impl Into<String>) {
        note(&mut self.left, why, name.into());
    }

    /// Whether everything comes.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.left.is_empty()
    }
}

/// Names come from elsewhere: none of their characters may do anything to a terminal.
fn shown(name: &str) -> String {
    name.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.goes { "Goes:" } else { "Comes:" })?;
        if self.comes.is_empty() {
            writeln!(f, "  nothing")?;
        }
        for (what, how_many) in &self.comes {
            writeln!(f, "  {how_many:>7}  {what}")?;
        }
        for (title, notes) in
            [("Look at:", &self.look), (if self.goes { "Has no place there:" } else { "Can't come:" }, &self.left)]
        {
            if !notes.is_empty() {
                writeln!(f, "{title}")?;
            }
            for note in notes {
                writeln!(f, "  {}", shown(&note.why))?;
                for name in &note.names {
                    writeln!(f, "    - {}", shown(name))?;
                }
                if note.more > 0 {
                    writeln!(f, "    and {} more", note.more)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_gathered_under_their_reason() {
        let mut report = Report::default();
        report.comes("people", 3);
        report.comes("robots", 0);
        for i in 0..25 {
            report.look("These are odd.", format!("n{i}"));
        }
        report.left("Has no place.", "a\u{1b}[31m\nb");
        report.left("A reason alone.", "");
        let text = report.to_string();
        assert!(text.starts_with("Comes:\n        3  people\nLook at:\n  These are odd.\n    - n0\n"), "{text}");
        assert!(
            text.contains("    - n19\n    and 5 more\nCan't come:\n  Has no place.\n    - a\u{fffd}[31m\u{fffd}b\n"),
            "{text}"
        );
        assert!(text.ends_with("  A reason alone.\n") && !text.contains("robots"), "{text}");
        assert!(!report.is_complete() && Report::default().is_complete());
    }
}
