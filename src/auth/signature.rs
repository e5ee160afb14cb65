//! Signatures of webhooks, which authenticate the sender and the integrity of a body.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::domain::Fault;
use crate::domain::settings::WebhookSecret;

/// Prefix of the hexadecimal digits in a signature.
const SCHEME: &str = "sha256=";

/// Checks that `signature` is `sha256=` and the HMAC-SHA256 of `body` with `secret`, in hexadecimal.
/// [`Fault::CredentialInvalid`] if not, without stating which of them is missing or wrong. The comparison takes
/// constant time, so that a signature cannot be guessed byte by byte.
pub fn verify(secret: Option<&WebhookSecret>, body: &[u8], signature: Option<&str>) -> Result<(), Fault> {
    let is_valid = secret.zip(signature).is_some_and(|(secret, signature)| is_signed(secret, body, signature));
    if is_valid { Ok(()) } else { Err(Fault::CredentialInvalid) }
}

fn is_signed(secret: &WebhookSecret, body: &[u8], signature: &str) -> bool {
    let expected = signature.strip_prefix(SCHEME).and_then(parse_hex);
    // HMAC accepts keys of any length, so creating it cannot fail.
    let mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes());
    let (Some(expected), Ok(mac)) = (expected, mac) else { return false };
    mac.chain_update(body).verify_slice(&expected).is_ok()
}

/// Parses 64 hexadecimal digits in either case.
fn parse_hex(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases 4.2 and 4.5 of RFC 4231: the ones with keys that are texts of a secret's length.
    fn cases() -> [(WebhookSecret, Vec<u8>, String); 2] {
        let counting: String = (1..=25_u8).map(char::from).collect();
        let secret = |text: &str| WebhookSecret::new(text).unwrap();
        let hi = "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let cd = "sha256=82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b";
        [
            (secret(&"\u{b}".repeat(20)), b"Hi There".to_vec(), hi.to_owned()),
            (secret(&counting), vec![0xcd; 50], cd.to_owned()),
        ]
    }

    #[test]
    fn signatures_of_rfc_4231_are_valid() {
        for (secret, body, signature) in cases() {
            assert_eq!(verify(Some(&secret), &body, Some(&signature)), Ok(()));
            let capitals = signature.to_uppercase().replace("SHA", "sha");
            assert_eq!(verify(Some(&secret), &body, Some(&capitals)), Ok(()));
        }
    }

    #[test]
    fn other_signatures_are_rejected() {
        let refused = Err(Fault::CredentialInvalid);
        let [(secret, body, signature), (other, ..)] = cases();
        assert_eq!(verify(None, &body, Some(&signature)), refused);
        assert_eq!(verify(Some(&secret), &body, None), refused);
        assert_eq!(verify(Some(&other), &body, Some(&signature)), refused);
        assert_eq!(verify(Some(&secret), b"hi There", Some(&signature)), refused);
        let digits = &signature[SCHEME.len()..];
        let (shorter, odd) = (&signature[..signature.len() - 2], &signature[..signature.len() - 1]);
        let wrong = ["", SCHEME, digits, shorter, odd, &format!("{signature}00"), &format!(" {signature}")];
        let not_digits = [signature.replace("b0", "+b"), signature.replace("b0", "é")];
        for wrong in wrong.into_iter().chain(not_digits.iter().map(String::as_str)) {
            assert_eq!(verify(Some(&secret), &body, Some(wrong)), refused, "{wrong:?}");
        }
    }
}
