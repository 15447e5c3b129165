//! The reader of environment variables: it collects every mistake, so that one run reports all.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    fs,
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

/// Reads environment variables and remembers each mistake, so that one run reports all of them.
///
/// A reader that finds a mistake returns a placeholder; [`Env::finish`] then refuses to go on,
/// so no placeholder is ever used.
#[derive(Debug, Default)]
pub struct Env {
    values: BTreeMap<String, String>,
    resolved: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

/// Every variable that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One variable and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable.
    pub name: String,
    /// What is wrong, in words for an operator.
    pub problem: String,
}

// === impl Env ===

impl Env {
    /// The variables of this process. Values that are not UTF-8 are mistakes when read.
    pub fn from_process() -> Self {
        // The one place of the crate that touches the process environment.
        Self::from_pairs(std::env::vars_os().map(|(k, v)| {
            (
                k.to_string_lossy().into_owned(),
                v.to_string_lossy().into_owned(),
            )
        }))
    }

    /// Given variables, for tests and for programs that start others.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = pairs
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        Self {
            values,
            ..Self::default()
        }
    }

    /// A value that must be there and not empty.
    pub fn required(&mut self, name: &str) -> String {
        match self.lookup(name) {
            Some(value) => self.keep(name, value),
            None => {
                self.mistake(name, "is required");
                String::new()
            }
        }
    }

    /// A value that may be absent; empty counts as absent.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        let value = self.lookup(name)?;
        Some(self.keep(name, value))
    }

    /// A value with a default.
    pub fn parsed<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr + Display,
        T::Err: Display,
    {
        match self.lookup(name) {
            Some(text) => self.parse(name, text, default),
            None => {
                self.resolved
                    .insert(name.to_owned(), format!("{default} (default)"));
                default
            }
        }
    }

    /// A value that must be there and parse; `placeholder` stands in after a mistake.
    pub fn required_parsed<T>(&mut self, name: &str, placeholder: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.lookup(name) {
            Some(text) => self.parse(name, text, placeholder),
            None => {
                self.mistake(name, "is required");
                placeholder
            }
        }
    }

    /// A value that may be absent, but parses when it is there.
    pub fn optional_parsed<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.lookup(name)?;
        match text.parse() {
            Ok(value) => {
                self.keep(name, text);
                Some(value)
            }
            Err(error) => {
                self.mistake(name, format!("\"{text}\": {error}"));
                None
            }
        }
    }

    /// Whole seconds within bounds.
    pub fn seconds(
        &mut self,
        name: &str,
        default: Duration,
        bounds: RangeInclusive<u64>,
    ) -> Duration {
        let seconds = self.parsed(name, default.as_secs());
        if !bounds.contains(&seconds) {
            let problem = format!(
                "{seconds} is not within {}..={}",
                bounds.start(),
                bounds.end()
            );
            self.mistake(name, problem);
            return default;
        }
        Duration::from_secs(seconds)
    }

    /// The contents of the file that `name` points to, without white space at its ends.
    /// The report shows the path, never the contents.
    pub fn secret_file(&mut self, name: &str) -> String {
        let path = self.required(name);
        if path.is_empty() {
            return path;
        }
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Ok(_) => {
                self.mistake(name, format!("the file \"{path}\" is empty"));
                String::new()
            }
            Err(error) => {
                self.mistake(name, format!("cannot read \"{path}\": {error}"));
                String::new()
            }
        }
    }

    /// Notes a mistake that only the reader of several values can see.
    pub fn mistake(&mut self, name: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            name: name.to_owned(),
            problem: problem.into(),
        });
    }

    /// What was read, for one line at start. Secrets are files, so only paths are in it.
    pub fn resolved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resolved
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Fails with every mistake when there is one.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        Err(ConfigError {
            mistakes: self.mistakes,
        })
    }

    pub(super) fn lookup(&self, name: &str) -> Option<String> {
        self.values
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    fn keep(&mut self, name: &str, value: String) -> String {
        self.resolved.insert(name.to_owned(), hide_password(&value));
        value
    }

    fn parse<T>(&mut self, name: &str, text: String, placeholder: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => {
                self.keep(name, text);
                value
            }
            Err(error) => {
                self.mistake(name, format!("\"{text}\": {error}"));
                placeholder
            }
        }
    }
}

// === impl ConfigError ===

impl ConfigError {
    /// The mistakes in the order in which they were found.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mistake(s) in the environment", self.mistakes.len())?;
        for Mistake { name, problem } in &self.mistakes {
            write!(f, "\n  {name}: {problem}")?;
        }
        Ok(())
    }
}

// === helpers ===

/// A password inside a URL never reaches the start-up report.
fn hide_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
    {
        Some((user, password)) => value.replacen(
            &format!("{scheme}://{user}:{password}@"),
            &format!("{scheme}://{user}:…@"),
            1,
        ),
        None => value.to_owned(),
    }
}
