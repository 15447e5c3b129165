//! Pages by key. A token is the encrypted place of the last row, bound to the other arguments of
//! the call; it carries no right to anything.

use std::hash::Hash;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Failure, Violations};
use crate::idempotency::digest;

/// The size of a page when the caller asks for none.
const SIZE_DEFAULT: usize = 50;
/// The largest page; larger wishes are cut to it.
const SIZE_MAX: usize = 1000;
/// A token holds a key or two; what is longer was not made here.
const TOKEN_MAX: usize = 1024;

/// Makes and reads the tokens of one service.
#[derive(Clone)]
pub struct PageTokens {
    key: Arc<RandomizedNonceKey>,
}

/// The page that a call asks for. `C` is the place after which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// How many items it has at most.
    pub size: usize,
    /// The last item of the page before; none for the first page.
    pub after: Option<C>,
    binding: Vec<u8>,
}

// === impl Page ===

impl<C> Page<C> {
    /// How many rows to load: one more than the page has, to see whether another one follows.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.size)
            .unwrap_or(i64::MAX)
            .saturating_add(1)
    }
}

// === impl PageTokens ===

impl PageTokens {
    /// Tokens that every process with this secret can read.
    pub fn new(secret: &[u8]) -> Self {
        // The secret has another purpose first; a key of its own keeps the two apart.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key = hmac::sign(&secret, b"page tokens, version 1");
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref())
            .expect("SHA-256 has the size of the key");
        Self { key: Arc::new(key) }
    }

    /// The page that `page_size` and `page_token` ask for. `bound_to` is every other argument of
    /// the call: a token of another listing is refused.
    pub fn parse<C: DeserializeOwned>(
        &self,
        page_size: i32,
        page_token: &str,
        bound_to: &impl Hash,
    ) -> Result<Page<C>, Failure> {
        let mut violations = Violations::default();
        let binding = digest(bound_to);
        let size = match usize::try_from(page_size) {
            Ok(0) => SIZE_DEFAULT,
            Ok(size) => size.min(SIZE_MAX),
            Err(_) => {
                violations.add("pageSize", "must not be negative");
                0
            }
        };
        let mut after = None;
        if !page_token.is_empty() {
            after = self.open(page_token, &binding);
            violations.check(
                after.is_some(),
                "pageToken",
                "was not issued for this listing",
            );
        }
        violations.finish()?;
        Ok(Page {
            size,
            after,
            binding,
        })
    }

    /// Cuts the loaded rows to the page, and makes the token of the next one: empty at the end.
    pub fn cut<C, T, P: Serialize>(
        &self,
        page: &Page<C>,
        mut rows: Vec<T>,
        place: impl Fn(&T) -> P,
    ) -> (Vec<T>, String) {
        if rows.len() <= page.size {
            return (rows, String::new());
        }
        rows.truncate(page.size);
        let token = match rows.last() {
            Some(last) => self.seal(&place(last), &page.binding),
            None => String::new(),
        };
        (rows, token)
    }

    fn seal(&self, place: &impl Serialize, binding: &[u8]) -> String {
        let mut text = serde_json::to_vec(place).expect("a place is made of keys and times");
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(binding), &mut text)
            .expect("a place is far below the limit of the cipher");
        let mut token = nonce.as_ref().to_vec();
        token.extend(text);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    fn open<C: DeserializeOwned>(&self, token: &str, binding: &[u8]) -> Option<C> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, text) = token.split_at_checked(aws_lc_rs::aead::NONCE_LEN)?;
        let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let place = self
            .key
            .open_in_place(nonce, Aad::from(binding), &mut text)
            .ok()?;
        serde_json::from_slice(place).ok()
    }
}

#[cfg(test)]
mod tests;
