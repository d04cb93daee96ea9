//! What goes over the wire, and its signature.

use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::TargetKind;
use crate::store::DeliveryRow;

/// When the request was made, in seconds since 1970: a receiver refuses old ones.
pub const TIMESTAMP_HEADER: &str = "twovote-timestamp";
/// `v1=` and the HMAC-SHA256, in hex, over the timestamp, a full stop and the body.
pub const SIGNATURE_HEADER: &str = "twovote-signature";
/// The delivery's number, the same at every try: a receiver that has seen it can pass over it.
pub const DELIVERY_HEADER: &str = "twovote-delivery";
/// The kind of the event.
pub const EVENT_HEADER: &str = "twovote-event";

/// The body a target gets.
pub fn body(kind: TargetKind, row: &DeliveryRow) -> Vec<u8> {
    let text = row.payload["text"].as_str().unwrap_or_default();
    let document = match kind {
        TargetKind::Slack => json!({"text": escaped(text)}),
        TargetKind::Generic => json!({
            "id": row.outbox_id, "event": row.event, "subject": row.subject, "created_at": row.created_at, "text": text,
            "detail": row.payload["detail"],
        }),
    };
    document.to_string().into_bytes()
}

/// Slack takes `<…>` for links and mentions: what people wrote must call nobody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What [`SIGNATURE_HEADER`] holds.
///
/// # Panics
/// Never: HMAC takes keys of every length.
#[must_use]
pub fn signature(secret: &[u8], timestamp_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of every length");
    mac.update(timestamp_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `printf '%s' '1767618300.{"a":1}' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn the_signature_is_that_of_another_program() {
        assert_eq!(
            signature(b"secret", 1_767_618_300, br#"{"a":1}"#),
            "v1=2edad76bc375074cbb41933f966592a28c3b9ae000893c56369665b5eda204e7"
        );
    }

    #[test]
    fn nobody_is_called_by_a_note() {
        assert_eq!(escaped("<!channel> a & b"), "&lt;!channel&gt; a &amp; b");
    }
}
