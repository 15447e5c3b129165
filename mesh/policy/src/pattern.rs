//! The few regular expressions that Istio makes of a value, matched without an engine for them.
//! Istio quotes the value since 1.31: of it only `*` in a namespace means more than itself.

/// States are bits of this many words unless a pattern is longer than anything in practice.
const INLINE_WORDS: usize = 8;

/// A chain of characters, each with how often it may come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Token {
    atom: Atom,
    optional: bool,
    repeated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Atom {
    /// `.`: any character but a line feed.
    Any,
    Character(char),
}

// === impl Pattern ===

impl Pattern {
    /// Text as it stands.
    pub(crate) fn literal(mut self, text: &str) -> Self {
        self.tokens.extend(text.chars().map(|character| Token {
            atom: Atom::Character(character),
            optional: false,
            repeated: false,
        }));
        self
    }

    /// `.*`, or `.+` unless `optional`.
    pub(crate) fn anything(mut self, optional: bool) -> Self {
        self.tokens.push(Token {
            atom: Atom::Any,
            optional,
            repeated: true,
        });
        self
    }

    /// A value in which Istio put `.*` for `*`.
    pub(crate) fn with_wildcards(mut self, value: &str) -> Self {
        for (number, part) in value.split('*').enumerate() {
            if number > 0 {
                self = self.anything(true);
            }
            self = self.literal(part);
        }
        self
    }

    /// Whether the pattern takes the whole text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.matches_chars(text.chars())
    }

    fn matches_chars(&self, text: impl Iterator<Item = char>) -> bool {
        let words = self.tokens.len() / 64 + 1;
        if words <= INLINE_WORDS {
            let mut states = [[0; INLINE_WORDS]; 2];
            let [current, next] = &mut states;
            self.run(text, &mut current[..words], &mut next[..words])
        } else {
            self.run(text, &mut vec![0; words], &mut vec![0; words])
        }
    }

    /// Whether the pattern takes the whole of `/` and the text.
    pub(crate) fn matches_behind_slash(&self, text: &str) -> bool {
        self.matches_chars(std::iter::once('/').chain(text.chars()))
    }

    /// State `n` is: the tokens before `n` are done.
    fn run<'s>(
        &self,
        text: impl Iterator<Item = char>,
        mut current: &'s mut [u64],
        mut next: &'s mut [u64],
    ) -> bool {
        self.enter(current, 0);
        for character in text {
            next.fill(0);
            for (state, token) in self.tokens.iter().enumerate() {
                if has(current, state) && token.atom.takes(character) {
                    if token.repeated {
                        // Stays for more; having one, it may also be done.
                        set(next, state);
                    }
                    self.enter(next, state + 1);
                }
            }
            std::mem::swap(&mut current, &mut next);
        }
        has(current, self.tokens.len())
    }

    fn enter(&self, states: &mut [u64], mut state: usize) {
        set(states, state);
        while self.tokens.get(state).is_some_and(|token| token.optional) {
            state += 1;
            set(states, state);
        }
    }
}

// === impl Atom ===

impl Atom {
    fn takes(self, character: char) -> bool {
        match self {
            Atom::Any => character != '\n',
            Atom::Character(own) => own == character,
        }
    }
}

fn has(states: &[u64], state: usize) -> bool {
    states[state / 64] & (1 << (state % 64)) != 0
}

fn set(states: &mut [u64], state: usize) {
    states[state / 64] |= 1 << (state % 64);
}

#[cfg(test)]
mod tests;
