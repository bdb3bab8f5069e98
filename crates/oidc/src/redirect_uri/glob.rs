//! Stars against bytes, in one pass.
//!
//! A pattern becomes a small non-deterministic automaton whose states are the bits of a few machine words; each
//! input byte costs a fixed number of word operations. There is no backtracking, so no pattern and no input
//! makes it slow.

/// What a star may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stars {
    /// `*` is one or more bytes of a segment, `**` any bytes, `/**/` also a single slash.
    Path,
    /// `*` (and a row of stars) is any number of bytes that are not `/`.
    Plain,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    words: usize,
    states: usize,
    /// For each byte value, the tokens that consume it.
    accepts: Vec<u64>,
    /// States that stay on any byte but `/`.
    stay_in_segment: Vec<u64>,
    /// States that stay on any byte.
    stay: Vec<u64>,
    /// States that may move on without input.
    skip: Vec<u64>,
    /// States that may move on by two without input (`**` between slashes).
    skip_two: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// One or more bytes but `/`.
    Some,
    /// Any number of bytes but `/`.
    Any,
    /// Any number of bytes.
    Deep,
}

/// One element of a pattern whose literal part may itself hold `*` bytes (decoded query values).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Literal(&'a [u8]),
    Star,
}

impl Glob {
    /// Compiles a text in which `*` is always special.
    pub(super) fn new(pattern: &str, stars: Stars) -> Self {
        let mut tokens = Vec::new();
        let bytes = pattern.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            if bytes[i] != b'*' {
                tokens.push(Token::Byte(bytes[i]));
                i += 1;
                continue;
            }
            let row = bytes[i..].iter().take_while(|b| **b == b'*').count();
            tokens.push(match (stars, row) {
                (Stars::Plain, _) => Token::Any,
                (Stars::Path, 1) => Token::Some,
                (Stars::Path, _) => Token::Deep,
            });
            i += row;
        }
        Self::compile(&collapse(tokens))
    }

    /// Compiles literal pieces with [`Stars::Plain`] between them.
    pub(super) fn from_pieces<'a>(pieces: impl IntoIterator<Item = Piece<'a>>) -> Self {
        let mut tokens = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Literal(bytes) => tokens.extend(bytes.iter().map(|b| Token::Byte(*b))),
                Piece::Star if tokens.last() == Some(&Token::Any) => {}
                Piece::Star => tokens.push(Token::Any),
            }
        }
        Self::compile(&tokens)
    }

    fn compile(tokens: &[Token]) -> Self {
        let words = tokens.len() / 64 + 1;
        let mut glob = Self {
            words,
            states: tokens.len(),
            accepts: vec![0; 256 * words],
            stay_in_segment: vec![0; words],
            stay: vec![0; words],
            skip: vec![0; words],
            skip_two: vec![0; words],
        };
        for (i, token) in tokens.iter().enumerate() {
            match token {
                Token::Byte(byte) => set(&mut glob.accepts[usize::from(*byte) * words..], i),
                Token::Some => {
                    for byte in (0..=255u8).filter(|b| *b != b'/') {
                        set(&mut glob.accepts[usize::from(byte) * words..], i);
                    }
                    set(&mut glob.stay_in_segment, i + 1);
                }
                Token::Any => {
                    set(&mut glob.stay_in_segment, i);
                    set(&mut glob.skip, i);
                }
                Token::Deep => {
                    set(&mut glob.stay, i);
                    set(&mut glob.skip, i);
                    let slash = Token::Byte(b'/');
                    if i > 0 && tokens[i - 1] == slash && tokens.get(i + 1) == Some(&slash) {
                        set(&mut glob.skip_two, i);
                    }
                }
            }
        }
        glob
    }

    /// True if the whole text fits.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut current = vec![0u64; self.words];
        let mut next = vec![0u64; self.words];
        current[0] = 1;
        advance(&mut current, &self.skip, 1);
        for &byte in text {
            let accepts = &self.accepts[usize::from(byte) * self.words..][..self.words];
            let mut carry = 0;
            for word in 0..self.words {
                let moved = current[word] & accepts[word];
                next[word] = (moved << 1) | carry;
                carry = moved >> 63;
            }
            // Only a `**` that was just reached stands right behind its slash and may be left out with the next one.
            advance(&mut next, &self.skip_two, 2);
            let mut alive = 0;
            for word in 0..self.words {
                let segment = if byte == b'/' { 0 } else { self.stay_in_segment[word] };
                next[word] |= current[word] & (self.stay[word] | segment);
                alive |= next[word];
            }
            if alive == 0 {
                return false;
            }
            // Two stars never stand side by side, so one pass is enough.
            advance(&mut next, &self.skip, 1);
            std::mem::swap(&mut current, &mut next);
        }
        current[self.states / 64] >> (self.states % 64) & 1 == 1
    }
}

/// Adds the states that are reached without input.
fn advance(states: &mut [u64], mask: &[u64], distance: usize) {
    let mut carry = 0;
    for (word, mask) in states.iter_mut().zip(mask) {
        let moved = *word & mask;
        *word |= (moved << distance) | carry;
        carry = moved >> (64 - distance);
    }
}

fn set(words: &mut [u64], bit: usize) {
    words[bit / 64] |= 1 << (bit % 64);
}

/// Writes `/**/**/` as `/**/`: the same language with fewer states.
fn collapse(tokens: Vec<Token>) -> Vec<Token> {
    let slash = Token::Byte(b'/');
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        out.push(token);
        if out.ends_with(&[slash, Token::Deep, slash, Token::Deep, slash]) {
            out.truncate(out.len() - 2);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plainest possible definition, for comparison: try everything.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'/', b'*', b'*', b'/', rest @ ..] => {
                text.first() == Some(&b'/')
                    && (reference_slash(rest, &text[1..])
                        || (1..text.len()).any(|i| text[i] == b'/' && reference_slash(rest, &text[i + 1..])))
            }
            [b'*', b'*', rest @ ..] => (0..=text.len()).any(|i| reference(rest, &text[i..])),
            [b'*', rest @ ..] => {
                (1..=text.len()).take_while(|i| text[i - 1] != b'/').any(|i| reference(rest, &text[i..]))
            }
            [byte, rest @ ..] => text.first() == Some(byte) && reference(rest, &text[1..]),
        }
    }

    /// As `reference`, when the byte before was a slash.
    fn reference_slash(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [b'*', b'*', b'/', rest @ ..] => {
                reference_slash(rest, text)
                    || (0..text.len()).any(|i| text[i] == b'/' && reference_slash(rest, &text[i + 1..]))
            }
            _ => reference(pattern, text),
        }
    }

    #[test]
    fn long_patterns_cross_words() {
        let pattern = format!("/{}/*/{}", "a".repeat(70), "b".repeat(130));
        let glob = Glob::new(&pattern, Stars::Path);
        assert!(glob.matches(format!("/{}/xyz/{}", "a".repeat(70), "b".repeat(130)).as_bytes()));
        assert!(!glob.matches(format!("/{}/x/z/{}", "a".repeat(70), "b".repeat(130)).as_bytes()));
        assert!(!glob.matches(format!("/{}/xyz/{}", "a".repeat(70), "b".repeat(129)).as_bytes()));
        for length in 55..75 {
            let glob = Glob::new(&format!("{}/**/c", "a".repeat(length)), Stars::Path);
            assert!(glob.matches(format!("{}/c", "a".repeat(length)).as_bytes()), "{length}");
            assert!(glob.matches(format!("{}/b/c", "a".repeat(length)).as_bytes()), "{length}");
        }
    }

    proptest! {
        #[test]
        fn equals_the_reference(pattern in "(/|a|b|\\*|/\\*\\*/|\\*\\*/){0,8}", text in "[/ab]{0,12}") {
            prop_assume!(!pattern.contains("***"));
            prop_assert_eq!(
                Glob::new(&pattern, Stars::Path).matches(text.as_bytes()),
                reference(pattern.as_bytes(), text.as_bytes()),
                "{} {}", pattern, text
            );
        }

        #[test]
        fn plain_stars_equal_the_reference(pattern in "[ab*]{0,8}", text in "[ab/]{0,12}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern {
                    [] => text.is_empty(),
                    [b'*', rest @ ..] => (0..=text.len()).take_while(|i| *i == 0 || text[i - 1] != b'/')
                        .any(|i| plain(rest, &text[i..])),
                    [byte, rest @ ..] => text.first() == Some(byte) && plain(rest, &text[1..]),
                }
            }
            prop_assert_eq!(Glob::new(&pattern, Stars::Plain).matches(text.as_bytes()), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
