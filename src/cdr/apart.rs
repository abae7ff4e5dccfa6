//! How a stored fact has its personal values apart from the rest.

use serde_json::{Map, Value};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The object with the personal values of a fact, and their salt.
pub const PERSONAL: &str = "personal";
/// The hash of that object, which stays when the object is erased.
pub const SEALED: &str = "sealed";
/// The random value in `personal` without which the hash of a short number could be guessed.
pub const SALT: &str = "salt";
/// The fault of a location that was erased, and of one that had a position.
pub(super) const ERASED: [&str; 2] = ["erased", "position erased"];

/// A stored fact with its personal values in their places, if they are not erased.
pub fn join(mut stored: Object) -> Object {
    stored.remove(SEALED);
    if let Some(Value::Object(personal)) = stored.remove(PERSONAL) {
        stored.extend(personal.into_iter().filter(|(field, _)| field != SALT));
    }
    stored
}

/// True if the text of a stored fact has personal values apart.
pub(super) fn is_apart(json: &[u8]) -> bool {
    memchr::memmem::find(json, b"\"personal\":{").is_some()
}
