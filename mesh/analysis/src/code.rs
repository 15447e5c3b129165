//! The kinds of finding: a number that scripts can rely on, a level, and a page that explains it.

use std::fmt;
use std::str::FromStr;

macro_rules! codes {
    ($($name:ident = $number:literal, $level:ident, $doc:literal;)*) => {
        /// A kind of finding. Its number stays what it is, whatever becomes of its wording.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The number, such as `TW0101`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $number,)*
                }
            }

            /// How bad a finding of this kind is.
            #[must_use]
            pub const fn level(self) -> Level {
                match self {
                    $(Code::$name => Level::$level,)*
                }
            }

            /// The page of this code: a title, what it means, an example that is found, and how to
            /// mend it.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Code::$name => include_str!(concat!("../codes/", $number, ".md")),)*
                }
            }
        }
    };
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It works as it was meant, and could be shorter.
    Hint,
    /// It hardly does what was meant.
    Warning,
    /// Istio rejects it, or it certainly does not do what was meant.
    Error,
}

codes! {
    Unreadable = "TW0001", Error, "A file that cannot be read, or is no YAML.";
    UnknownField = "TW0002", Error, "A field, kind or version that Istio does not have.";
    Rejected = "TW0003", Error, "A value that Istio rejects.";
    Duplicate = "TW0004", Error, "A second object of the same kind and name.";
    IstioWarning = "TW0005", Warning, "What Istio accepts with a warning.";
    SelectsNothing = "TW0101", Warning, "A selector that no workload has the labels for.";
    EmptyNamespace = "TW0102", Hint, "A namespace without workloads.";
    NotForSidecars = "TW0103", Hint, "A policy that is attached to a gateway or waypoint.";
    SpiffeScheme = "TW0201", Error, "A principal that begins with `spiffe://`.";
    ImpossibleValue = "TW0202", Warning, "A value that no request can have.";
    LiteralStar = "TW0203", Warning, "A `*` that is no wildcard.";
    MisspeltMethod = "TW0204", Warning, "A method that is nearly one of HTTP's.";
    UnknownAccount = "TW0301", Warning, "A service account that no workload runs as.";
    UnknownNamespace = "TW0302", Warning, "A namespace that no workload lives in.";
    UnknownTrustDomain = "TW0303", Warning, "A trust domain that the mesh does not know.";
    UnknownPath = "TW0304", Warning, "A path that no descriptor has.";
    UnknownMethod = "TW0305", Warning, "A method that no RPC of these paths is called with.";
    UnknownPort = "TW0306", Warning, "A port that no selected workload has.";
    NoToken = "TW0307", Warning, "A demand on a token that nobody verifies.";
    UnlistedCaller = "TW0308", Hint, "A caller of whom no workload is known.";
    Contradiction = "TW0401", Warning, "A rule that cannot match.";
    DenyOfNothing = "TW0402", Warning, "A DENY rule that cannot match.";
    Shadowed = "TW0403", Warning, "A rule that another one makes superfluous.";
    AllowDenied = "TW0404", Warning, "An ALLOW rule whose every request a DENY rule refuses.";
    CoveredValue = "TW0405", Hint, "A value that another one of its list covers.";
    AllowOnTcp = "TW0501", Warning, "An ALLOW rule of HTTP fields for a TCP port.";
    DenyOnTcp = "TW0502", Warning, "A DENY rule of HTTP fields for a TCP port.";
    BadProvider = "TW0601", Error, "A CUSTOM policy whose provider cannot be used.";
    ManyProviders = "TW0602", Error, "Several CUSTOM providers for one workload.";
    IgnoredPeerPolicy = "TW0603", Warning, "A PeerAuthentication that an older one displaces.";
    NoIdentity = "TW0604", Warning, "A demand on identities where mutual TLS is off.";
}

// === impl Code ===

impl Code {
    /// The first line of the page.
    #[must_use]
    pub fn title(self) -> &'static str {
        let first = self.explanation().lines().next().unwrap_or_default();
        first.trim_start_matches(['#', ' '])
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.to_ascii_uppercase();
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == wanted)
            .ok_or_else(|| {
                let all: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
                format!("no code \"{text}\"; the codes are {}", all.join(", "))
            })
    }
}

// === impl Level ===

impl Level {
    /// The level as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Hint => "hint",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}
