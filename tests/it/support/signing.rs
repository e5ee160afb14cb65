//! Webhooks as their vendors sign them.

use hmac::{Hmac, Mac};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use sha2::Sha256;

use super::api::send;
use super::{ADMIN, Api};

/// What the webhooks of these tests are signed with, where it does not matter with what.
pub const SECRET: &str = "a secret of the tests' webhooks";

/// HMAC-SHA256 in hexadecimal digits.
pub fn hmac(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    let bytes = mac.chain_update(body).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request with a body, signed as iAdvize does.
pub fn signed(request: RequestBuilder, secret: &str, body: &str) -> RequestBuilder {
    let signature = format!("sha256={}", hmac(secret, body));
    let request = request.header("X-Iadvize-Signature", signature).header("Content-Type", "application/json");
    request.body(body.to_owned())
}

/// Has a tenant take webhooks that are signed with [`SECRET`].
pub async fn take_webhooks(api: &Api, tenant: &str) {
    let request = api.request(Method::PATCH, &format!("/v1/tenants/{tenant}")).bearer_auth(ADMIN);
    send(request.json(&json!({ "iadvize_secret": SECRET }))).await.expect("an answer").ok();
}
