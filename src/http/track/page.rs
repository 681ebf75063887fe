//! The pages that recipients see: a heading, a sentence, at most a button. No script, nothing from elsewhere, and
//! nothing for search engines.

use super::{NO_REFERRER, NO_STORE, ROBOTS};
use crate::base::observe::Happening;
use crate::content::unsubscribe::{Asked, form_field};
use crate::http::happenings::StoreRefused;
use crate::store::StoreError;
use aws_lc_rs::digest;
use axum::http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::LazyLock;

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}\
    button{font:inherit;padding:.5rem 1.2rem}code{overflow-wrap:anywhere}";

/// Our own style, named by its hash, and forms to us; nothing else.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
});

/// `body` is HTML; what others wrote has been escaped in it.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex, nofollow\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    );
    let kind = (CONTENT_TYPE, "text/html; charset=utf-8");
    let headers = [NO_STORE, ROBOTS, NO_REFERRER, kind, (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    let mut response = (status, headers, html).into_response();
    if let Some(policy) = &*POLICY {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

fn button(asked: Asked, words: &str) -> String {
    let (name, value) = form_field(asked);
    format!(
        "<form method=\"post\">\n<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n\
         <button type=\"submit\">{words}</button>\n</form>"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The same for whatever is wrong with a token: who tries them out learns nothing.
pub fn unknown() -> Response {
    let body = "<p>This link is not complete, or it was never one. Please open it from the message again.</p>";
    page(StatusCode::NOT_FOUND, "Nothing is here", body)
}

pub fn suspended(url: &str) -> Response {
    let body = format!(
        "<p>The sender of this message has been suspended, so this link is not followed for you. It leads to:</p>\n\
         <p><code>{}</code></p>\n<p>Go there only if you know that address.</p>",
        escaped(url)
    );
    page(StatusCode::FORBIDDEN, "This link is not followed", &body)
}

pub fn unsubscribe() -> Response {
    let body = "<p>Do you want to get no more mail of this kind from this sender?</p>\n";
    page(StatusCode::OK, "Unsubscribe", &(body.to_owned() + &button(Asked::Stop, "Unsubscribe")))
}

pub fn unsubscribed(domain: &str) -> Response {
    let body = format!(
        "<p>No more mail of this kind from {} will be sent to you. What is on its way may still arrive.</p>\n\
         <p>Was it a mistake?</p>\n{}",
        escaped(domain),
        button(Asked::Resume, "Subscribe again")
    );
    page(StatusCode::OK, "You are unsubscribed", &body)
}

pub fn resubscribed(domain: &str) -> Response {
    let body = format!(
        "<p>Mail of this kind from {} will be sent to you again.</p>\n{}",
        escaped(domain),
        button(Asked::Stop, "Unsubscribe")
    );
    page(StatusCode::OK, "You are subscribed again", &body)
}

pub fn nothing_changed() -> Response {
    let body = "<p>There was nothing to take back: you did not unsubscribe here, or it has been undone already.</p>\n";
    page(StatusCode::OK, "Nothing was changed", &(body.to_owned() + &button(Asked::Stop, "Unsubscribe")))
}

pub fn not_understood() -> Response {
    let body = "<p>It was not clear what you want. Nothing was changed.</p>\n";
    page(StatusCode::BAD_REQUEST, "Please try again", &(body.to_owned() + &button(Asked::Stop, "Unsubscribe")))
}

pub fn too_much() -> Response {
    let body = "<p>More was sent than belongs here. Nothing was changed.</p>\n";
    page(StatusCode::PAYLOAD_TOO_LARGE, "Too much", &(body.to_owned() + &button(Asked::Stop, "Unsubscribe")))
}

pub fn wrong_method(allowed: &'static str) -> Response {
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here", "<p>Nothing was changed.</p>");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

pub fn not_now() -> Response {
    let body = "<p>This does not work at the moment. Please try again in a minute.</p>";
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, "Please try again", body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

pub fn store_failed(error: &StoreError) -> Response {
    StoreRefused { error }.record();
    not_now()
}

/// What the router says of such a page: too slow, broken.
pub fn trouble(status: StatusCode) -> Response {
    let body = "<p>This did not work. Please try again in a minute.</p>";
    page(status, "Something went wrong", body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_others_wrote_is_text_and_never_markup() {
        let shown = text(suspended("https://a.example/?\"><script>alert('x')</script>&amp;")).await;
        assert!(!shown.contains("<script"), "{shown}");
        assert!(shown.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;"), "{shown}");
        assert!(!shown.contains("<a "), "it is not made clickable: {shown}");
        assert!(!text(unsubscribed("<b>.example")).await.contains("<b>"));
    }

    #[tokio::test]
    async fn every_page_has_a_language_a_heading_and_a_policy() {
        let error = StoreError::Unavailable { why: "secret host".into() };
        for response in [
            unknown(),
            suspended("https://a.example/"),
            unsubscribe(),
            unsubscribed("a.example"),
            resubscribed("a.example"),
            nothing_changed(),
            not_understood(),
            too_much(),
            wrong_method("GET"),
            not_now(),
            store_failed(&error),
            trouble(StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let headers = response.headers().clone();
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"));
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-robots-tag"], "noindex, nofollow");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            let shown = text(response).await;
            for part in ["<html lang=\"en\">", "<meta name=\"viewport\"", "<main>", "<h1>", "<title>"] {
                assert!(shown.contains(part), "{part} in {shown}");
            }
            assert!(
                !shown.contains("<script") && !shown.contains("http") && !shown.contains("secret")
                    || shown.contains("<code>https://a.example/</code>"),
                "{shown}"
            );
        }
    }
}
