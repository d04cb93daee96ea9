//! Secrets: drawn from a source that is passed in, kept only as hashes.

use contracts::hash::Digest;

/// Tag of [`SecretHash`].
#[derive(Debug)]
pub enum OfSecret {}
/// SHA-256 of a secret's text. A secret has 256 random bits, so that its plain hash tells nothing, and a look-up by the hash gives a
/// timer nothing that helps to guess.
pub type SecretHash = Digest<OfSecret>;

/// Where random bytes come from.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        use rand::TryRngCore as _;
        rand::rngs::OsRng
            .try_fill_bytes(out)
            .expect("an operating system without randomness cannot keep secrets: nothing here may go on");
    }
}

/// A secret, shown once to whoever it belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Draws one; `prefix` tells people (and scanners of leaked files) what it is.
    #[must_use]
    pub fn draw(random: &dyn Random, prefix: &str) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(format!("{prefix}{}", hex::encode(bytes)))
    }

    /// As somebody presents it.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        Digest::of(self.0.as_bytes())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// True when both are the same; takes as long for texts of one length wherever they differ.
#[must_use]
pub fn same(left: &str, right: &str) -> bool {
    let differing = left
        .bytes()
        .zip(right.bytes())
        .fold(0, |all, (l, r)| all | (l ^ r));
    left.len() == right.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_do_not_print() {
        let (one, two) = (
            Secret::draw(&SystemRandom, "tv_"),
            Secret::draw(&SystemRandom, "tv_"),
        );
        assert_ne!(one, two);
        assert_eq!(one.reveal().len(), 3 + 64);
        assert!(!format!("{one:?}").contains(one.reveal()));
        assert_eq!(Secret::presented(one.reveal()).hash(), one.hash());
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same("abc", "abc"));
        for other in ["abd", "bbc", "ab", "abcd", ""] {
            assert!(!same("abc", other), "{other}");
        }
    }
}
