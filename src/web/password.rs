//! Passwords: Argon2id on the pool of blocking threads, so that a log-in delays no other request.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash};
use tokio::sync::Semaphore;

/// Passwords that are hashed at once: each takes 19 MiB and a core for some 50 ms.
const AT_ONCE: usize = 2;
/// Log-ins that wait for one of them. More are rejected.
const WAITING_MAX: usize = 64;
/// Characters of a password that a user chooses.
pub const LENGTH_MIN: usize = 12;
pub const LENGTH_MAX: usize = 256;
/// Letters and digits of one-time passwords, without those that look alike.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789z";

/// Why a password was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    #[error("too many log-ins at once")]
    Busy,
    #[error("the password cannot be hashed")]
    Hash,
}

/// Hashes and checks passwords, a few at once.
#[derive(Clone, Debug)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    line: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_ONCE)), line: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Passwords {
    /// The hash of a password, as a PHC string with a random salt.
    pub async fn hash(&self, password: String) -> Result<String, PasswordFault> {
        self.run(move || hash(&password)).await?
    }

    /// True if the password has this hash. Without a hash, the check takes as long and the result is false: the time does not reveal
    /// whether a user exists.
    pub async fn is_right(&self, password: String, hash: Option<String>) -> Result<bool, PasswordFault> {
        self.run(move || match &hash {
            Some(hash) => matches(&password, hash),
            None => {
                // The result has no meaning; only its time counts.
                drop(self::hash(&password));
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordFault> {
        let _place = Arc::clone(&self.line).try_acquire_owned().map_err(|_| PasswordFault::Busy)?;
        // The thread owns the slot: a visitor who disconnects does not free it early.
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| PasswordFault::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(slot);
            result
        });
        done.await.map_err(|_| PasswordFault::Hash)
    }
}

/// Hashes on the present thread, for the command line.
pub fn hash(password: &str) -> Result<String, PasswordFault> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|_| PasswordFault::Hash)
}

fn matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// A one-time password of 20 letters and digits (100 random bits) in groups of five.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut random = [0; 20];
    getrandom::fill(&mut random)?;
    let letters = random.map(|byte| ALPHABET.get(usize::from(byte % 32)).copied().map_or('a', char::from));
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// Why a user may not choose a password: the key of a text.
pub fn fault_of(password: &str, user: &str) -> Option<&'static str> {
    let length = password.chars().count();
    let distinct: std::collections::BTreeSet<char> = password.chars().collect();
    if length < LENGTH_MIN {
        Some("password-too-short")
    } else if length > LENGTH_MAX {
        Some("password-too-long")
    } else if distinct.len() < 5 || has_name(password, user) {
        Some("password-too-simple")
    } else {
        None
    }
}

/// True if a password is made with the name of its user. Names of up to three letters are part of many words.
fn has_name(password: &str, user: &str) -> bool {
    user.chars().count() > 3 && password.to_lowercase().contains(&user.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_has_the_hash_and_no_user_has_none() {
        let passwords = Passwords::default();
        let hash = passwords.hash("kuda laut biru".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (password, of, expected) in [
            ("kuda laut biru", Some(hash.clone()), true),
            ("kuda laut biru ", Some(hash.clone()), false),
            ("", Some(hash), false),
            ("kuda laut biru", None, false),
            ("kuda laut biru", Some("no hash".to_owned()), false),
        ] {
            assert_eq!(passwords.is_right(password.to_owned(), of).await, Ok(expected), "{password:?}");
        }
    }

    #[tokio::test]
    async fn more_log_ins_than_can_wait_are_rejected() {
        let passwords = Passwords::default();
        let all = Arc::clone(&passwords.line).acquire_many_owned(u32::try_from(WAITING_MAX).unwrap()).await.unwrap();
        assert_eq!(passwords.is_right("x".to_owned(), None).await, Err(PasswordFault::Busy));
        drop(all);
        assert_eq!(passwords.is_right("x".to_owned(), None).await, Ok(false));
    }

    #[test]
    fn generated_passwords_differ_and_can_be_read_aloud() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.split('-').count()), (23, 4), "{one}");
        assert_eq!(fault_of(&one, "siti"), None);
    }

    #[test]
    fn a_short_password_and_one_with_the_users_name_are_rejected() {
        for (password, expected) in [
            ("elevenchars", Some("password-too-short")),
            ("aaaaaaaaaaaaaa", Some("password-too-simple")),
            ("Siti-di-kantor-112", Some("password-too-simple")),
            ("empat kata yang acak", None),
        ] {
            assert_eq!(fault_of(password, "siti"), expected, "{password}");
        }
        assert_eq!(fault_of("empat kata yang acak", "ang"), None, "a short name is part of many words");
        assert_eq!(fault_of(&"ab12 xyz".repeat(40), "siti"), Some("password-too-long"));
    }
}
