//! The sections `[media]` and `[prompts]` of the configuration in TOML.

use serde::Deserialize;

/// `[media]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    pub listen: Texts,
    pub advertised: Option<Texts>,
    pub ports: Vec<u16>,
    pub threads: usize,
    pub engine: EngineName,
    pub srtp: SrtpName,
    pub phones: Vec<String>,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            listen: Texts::One("127.0.0.1".to_owned()),
            advertised: None,
            ports: vec![20_000, 29_999],
            threads: 0,
            engine: EngineName::Auto,
            srtp: SrtpName::Off,
            phones: Vec::new(),
        }
    }
}

/// One text, or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// The phones that are offered SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SrtpName {
    /// No phone.
    Off,
    /// Phones that use TLS.
    Offer,
    /// All phones.
    Require,
}

/// How media uses its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// io_uring if the kernel supports it, else epoll.
    Auto,
    /// io_uring.
    IoUring,
    /// epoll with batched calls.
    Epoll,
}

/// `[prompts]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompts {
    pub dir: String,
}

impl Default for Prompts {
    fn default() -> Self {
        Self { dir: "prompts".to_owned() }
    }
}
