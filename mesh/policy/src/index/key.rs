//! The keys under which rules are kept: hashes of an attribute's value, or of the start or end of
//! one. Two values with one hash only cost a look more, because every rule that is found is asked.

/// Where a key is looked for in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Dimension {
    Principal,
    PrincipalStart,
    PrincipalEnd,
    Namespace,
    NamespaceStart,
    Account,
    SourceIp,
    RemoteIp,
    DestinationIp,
    Port,
    Sni,
    Host,
    HostStart,
    HostEnd,
    Method,
    Path,
    PathStart,
    PathEnd,
    Token,
    TokenIssuer,
    TokenSubject,
    HeaderValue,
    HeaderName,
    ClaimValue,
    ClaimName,
    Metadata,
}

pub(crate) const DIMENSIONS: usize = Dimension::Metadata as usize + 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) dimension: Dimension,
    /// Of starts and ends in bytes, of addresses in bits; else 0.
    pub(crate) length: u16,
    pub(crate) hash: u64,
    /// What a request must be searched for to find the key.
    pub(crate) name: Option<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The hash of a header's name.
    Header(u64),
    Claim(Box<[Box<str>]>),
}

/// FNV-1a: each step is the hash of what came so far, so that one pass gives the hashes of all
/// starts of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

// === impl Dimension ===

impl Dimension {
    /// How unwelcome a rule is under such a key, in rules that are there already: ports, methods
    /// and presence say little.
    pub(crate) fn weight(self) -> usize {
        match self {
            Dimension::Principal | Dimension::Account | Dimension::Token => 0,
            Dimension::HeaderValue | Dimension::ClaimValue => 1,
            Dimension::PrincipalStart
            | Dimension::PrincipalEnd
            | Dimension::Path
            | Dimension::Sni => 2,
            Dimension::Host => 3,
            Dimension::PathStart
            | Dimension::PathEnd
            | Dimension::HostStart
            | Dimension::HostEnd
            | Dimension::Namespace
            | Dimension::SourceIp
            | Dimension::RemoteIp => 4,
            Dimension::NamespaceStart => 6,
            Dimension::TokenIssuer | Dimension::TokenSubject | Dimension::Metadata => 8,
            Dimension::HeaderName | Dimension::ClaimName => 30,
            Dimension::Method | Dimension::Port | Dimension::DestinationIp => 60,
        }
    }
}

// === impl Key ===

impl Key {
    pub(crate) fn exact(dimension: Dimension, value: &str) -> Self {
        Self {
            dimension,
            length: 0,
            hash: Fnv::of(value.bytes()).finish(dimension),
            name: None,
        }
    }

    /// None for an empty start, which says nothing, and for one that is out of all proportion.
    pub(crate) fn start(dimension: Dimension, value: &str) -> Option<Self> {
        Self::affix(dimension, value.len(), Fnv::of(value.bytes()))
    }

    pub(crate) fn end(dimension: Dimension, value: &str) -> Option<Self> {
        Self::affix(dimension, value.len(), Fnv::of(value.bytes().rev()))
    }

    fn affix(dimension: Dimension, length: usize, fnv: Fnv) -> Option<Self> {
        let length = u16::try_from(length).ok().filter(|length| *length > 0)?;
        Some(Self {
            dimension,
            length,
            hash: fnv.finish(dimension),
            name: None,
        })
    }

    pub(crate) fn of_hash(dimension: Dimension, length: u16, hash: u64) -> Self {
        Self {
            dimension,
            length,
            hash,
            name: None,
        }
    }

    pub(crate) fn named(dimension: Dimension, hash: u64, name: Name) -> Self {
        Self {
            dimension,
            length: 0,
            hash,
            name: Some(name),
        }
    }
}

// === impl Fnv ===

impl Fnv {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    pub(crate) fn new() -> Self {
        Self(Self::OFFSET)
    }

    pub(crate) fn of(bytes: impl IntoIterator<Item = u8>) -> Self {
        let mut fnv = Self::new();
        for byte in bytes {
            fnv.push(byte);
        }
        fnv
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(Self::PRIME);
    }

    /// A byte that is in no text, then more text.
    pub(crate) fn and(mut self, bytes: impl IntoIterator<Item = u8>) -> Self {
        self.push(0xff);
        for byte in bytes {
            self.push(byte);
        }
        self
    }

    /// The same text is another key in another dimension.
    pub(crate) fn finish(self, dimension: Dimension) -> u64 {
        let mut hash = self.0 ^ (dimension as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        hash ^ (hash >> 32)
    }
}
