//! English with marks on its letters and half as long again, for tests: what a page shows without marks was not taken from
//! the catalogue, and what breaks with it would break with long words.

use std::sync::LazyLock;

use super::Words;

pub const TAG: &str = "en-XA";
pub static WORDS: LazyLock<Words> = LazyLock::new(|| Words::load(TAG, &catalogue(ENGLISH), "").0);
const ENGLISH: &str = concat!(include_str!("../../messages/en.ftl"), include_str!("../../messages/diagnoses/en.ftl"));

fn catalogue(source: &str) -> String {
    source.lines().map(|line| format!("{}\n", marked(line))).collect()
}

/// A line of the catalogue: keys, selectors, arguments and markup stay as they are.
fn marked(line: &str) -> String {
    let text = if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
        line.find('=').map(|at| at + 1)
    } else if line.trim_start().starts_with(['[', '*']) {
        line.find(']').map(|at| at + 1)
    } else if line.starts_with(' ') {
        Some(0)
    } else {
        None
    };
    let Some(at) = text.filter(|at| !line[*at..].trim().is_empty()) else { return line.to_owned() };
    let (head, text) = line.split_at(at);
    let (mut out, mut word, mut depth, mut is_markup) = (head.to_owned(), 0, 0, false);
    for c in text.chars().chain([' ']) {
        // German and Finnish words are a third longer.
        if !c.is_alphanumeric() {
            out.extend(std::iter::repeat_n('~', if word < 4 { 0 } else { word / 3 }));
            word = 0;
        }
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            '<' => is_markup = true,
            '>' => is_markup = false,
            _ => {}
        }
        let is_text = depth == 0 && !is_markup;
        out.push(if is_text { accented(c) } else { c });
        word += usize::from(is_text && c.is_alphanumeric());
    }
    out
}

fn accented(c: char) -> char {
    match c {
        'a' => 'á',
        'e' => 'é',
        'i' => 'í',
        'o' => 'ó',
        'u' => 'ú',
        'y' => 'ý',
        'A' => 'Á',
        'E' => 'É',
        'I' => 'Í',
        'O' => 'Ó',
        'U' => 'Ú',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use crate::i18n::words;

    #[test]
    fn words_are_marked_and_longer_and_names_are_not() {
        assert_eq!(words("en-XA").get("cancel"), "Cáncél~~");
        assert_eq!(words("en-XA").with("login-title", &[("app", "It")]), "Sígn~ ín tó It");
    }
}
