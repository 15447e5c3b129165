//! A peer's id, read once per request.

/// The id of the peer's certificate behind `spiffe://`, whatever it looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'r> {
    pub(crate) id: &'r str,
    usual: Option<Usual<'r>>,
    has_line_feed: bool,
}

/// The segments of `domain/ns/namespace/sa/account`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usual<'r> {
    pub(crate) namespace: &'r str,
    pub(crate) account: &'r str,
}

// === impl Peer ===

impl<'r> Peer<'r> {
    pub(crate) fn new(id: &'r str) -> Self {
        Self {
            id,
            usual: Usual::of(id),
            has_line_feed: id.contains('\n'),
        }
    }

    pub(crate) fn has_line_feed(&self) -> bool {
        self.has_line_feed
    }

    pub(crate) fn usual(&self) -> Option<Usual<'r>> {
        self.usual
    }

    /// Every segment that stands between `/ns/` and the next slash.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        self.behind_ns().filter_map(|rest| {
            let (name, _) = rest.split_once('/')?;
            Some(name)
        })
    }

    /// What stands behind each `/ns/`, of which the first slash may be the last of `spiffe://`.
    pub(crate) fn behind_ns(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        let id = self.id;
        let first = id.strip_prefix("ns/");
        // Searched byte by byte: in `/ns/ns/` there are two.
        let others = id
            .match_indices('/')
            .filter_map(|(at, _)| id[at..].strip_prefix("/ns/"));
        first.into_iter().chain(others)
    }
}

// === impl Usual ===

impl<'r> Usual<'r> {
    /// None also for ids in which `/ns/` could be found at two places: a domain or a namespace that
    /// is called `ns`. There only the regular expression knows what it takes.
    fn of(id: &'r str) -> Option<Self> {
        if id.contains('\n') {
            return None;
        }
        let mut segments = id.split('/');
        let domain = segments.next()?;
        if domain.is_empty() || domain == "ns" || segments.next()? != "ns" {
            return None;
        }
        let namespace = segments.next()?;
        if namespace == "ns" || segments.next()? != "sa" {
            return None;
        }
        let account = segments.next()?;
        segments
            .next()
            .is_none()
            .then_some(Self { namespace, account })
    }
}
