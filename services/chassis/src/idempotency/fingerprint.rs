//! SHA-256 of a parsed value, by its `Hash`. Equal values have equal digests within one version of
//! the program; a new version may tell a repeated key apart wrongly, which is an error for the
//! client and never a second effect.

use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

struct Sha(Sha256);

/// The digest of `value`.
pub(crate) fn digest(value: &impl Hash) -> Vec<u8> {
    let mut sha = Sha(Sha256::new());
    value.hash(&mut sha);
    sha.0.finalize().to_vec()
}

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Required by the trait; the digest is taken instead.
    fn finish(&self) -> u64 {
        0
    }
}
