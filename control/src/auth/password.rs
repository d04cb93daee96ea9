//! Passwords: Argon2id with the parameters of [`crate::limits`], off the async threads, a few at a time.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::secret::Random;
use crate::limits::{
    ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PASSWORDS_AT_ONCE,
};

static AT_ONCE: Semaphore = Semaphore::const_new(PASSWORDS_AT_ONCE);

/// A password that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes")]
pub struct BadLength;

fn argon2() -> Argon2<'static> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None)
        .expect("the constants are within Argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a new password.
///
/// # Errors
/// [`BadLength`].
///
/// # Panics
/// Never: salt and parameters are of this module.
pub async fn hash(password: &str, random: &dyn Random) -> Result<String, BadLength> {
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        return Err(BadLength);
    }
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let password = password.to_owned();
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
    Ok(aside(move || {
        argon2()
            .hash_password(password.as_bytes(), &salt)
            .expect("parameters and salt are valid")
            .to_string()
    })
    .await)
}

/// True when `password` is the one behind `stored`. Without a user (`None`) it works as long and says no.
pub async fn verify(password: &str, stored: Option<String>) -> bool {
    // Of a password nobody knows, with the same parameters.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IG5vYm9keSE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let known = stored.is_some();
    let stored = stored.unwrap_or_else(|| NOBODY.to_owned());
    // Longer ones were never stored: they cost the same as any wrong one.
    let password: Vec<u8> = password.bytes().take(PASSWORD_BYTES_MAX + 1).collect();
    let right = aside(move || {
        PasswordHash::new(&stored).is_ok_and(|stored| argon2().verify_password(&password, &stored).is_ok())
    })
    .await;
    right && known
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let one = AT_ONCE.acquire().await.expect("it is never closed");
    let counted = move || {
        // Held until it is done, also when nobody waits for the answer any more.
        let _one = one;
        work()
    };
    let done = tokio::task::spawn_blocking(counted).await;
    done.expect("hashing does not panic, and is waited for")
}

#[cfg(test)]
mod tests {
    use super::super::secret::SystemRandom;
    use super::*;

    #[tokio::test]
    async fn the_right_password_and_only_it() {
        let stored = hash("correct horse battery", &SystemRandom).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery", Some(stored.clone())).await);
        assert!(!verify("correct horse batterz", Some(stored)).await);
        assert!(!verify("correct horse battery", None).await);
        assert_eq!(hash("short", &SystemRandom).await, Err(BadLength));
        assert_eq!(hash(&"x".repeat(257), &SystemRandom).await, Err(BadLength));
    }

    #[test]
    fn the_stand_in_is_a_hash_with_the_same_parameters() {
        let text =
            "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IG5vYm9keSE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let stored = PasswordHash::new(text).unwrap();
        assert_eq!(Params::try_from(&stored).unwrap().m_cost(), ARGON2_MEMORY_KIB);
    }
}
