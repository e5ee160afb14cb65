//! Signatures of webhooks.

use hmac::{Hmac, Mac};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use sha2::Sha256;

use super::api::send;
use super::{ADMIN, Api};

/// The webhook secret of tests that do not test the secret itself.
pub const SECRET: &str = "a secret of the tests' webhooks";

/// Returns the HMAC-SHA256 of a body in hexadecimal digits.
pub fn hmac(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    let bytes = mac.chain_update(body).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds a body and iAdvize's signature of it to a request.
pub fn signed(request: RequestBuilder, secret: &str, body: &str) -> RequestBuilder {
    let signature = format!("sha256={}", hmac(secret, body));
    let request = request.header("X-Iadvize-Signature", signature).header("Content-Type", "application/json");
    request.body(body.to_owned())
}

/// Sets a tenant's webhook secret to [`SECRET`].
pub async fn enable_webhooks(api: &Api, tenant: &str) {
    let request = api.request(Method::PATCH, &format!("/v1/tenants/{tenant}")).bearer_auth(ADMIN);
    send(request.json(&json!({ "iadvize_secret": SECRET }))).await.expect("an answer").ok();
}
