//! The page: one document in the binary, joined from the files in `page/`, allowed to run its own script and to ask this
//! server, nothing else.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use sha2::{Digest, Sha256};

/// HTML, style and script in one. The files of the script are one scope, in this order.
const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/style.css"),
    "</style>\n</head>\n",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/base.js"),
    include_str!("page/plots.js"),
    include_str!("page/board.js"),
    include_str!("page/model.js"),
    include_str!("page/views.js"),
    include_str!("page/act.js"),
    include_str!("page/stream.js"),
    "</script>\n</body>\n</html>\n",
);

pub(super) async fn page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").insert_header((CACHE_CONTROL, "no-cache")).body(PAGE)
}

/// The content security policy: by hash, so that a text that ever found its way into the page could not run.
pub(super) fn policy() -> String {
    let source = |tag: &str| match between(PAGE, &format!("<{tag}>"), &format!("</{tag}>")) {
        Some(text) => format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes()))),
        None => "'none'".to_owned(),
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        source("script"),
        source("style")
    )
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let from = text.find(open)? + open.len();
    let to = from + text[from..].find(close)?;
    Some(&text[from..to])
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_usize, |group, at| group << 8 | usize::from(*chunk.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let digit = DIGITS[group >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, want) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), want);
        }
    }

    #[test]
    fn the_page_is_one_small_document_that_asks_nobody_else() {
        assert!(PAGE.len() <= 300_000, "{} bytes", PAGE.len());
        assert_eq!(PAGE.matches("<script").count(), 1, "the policy knows one script");
        assert_eq!(PAGE.matches("<style").count(), 1, "the policy knows one style");
        assert!(!policy().contains("'none'; style") && policy().contains("style-src 'sha256-"));
        for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=\"", " on"]
        {
            let is_handler = forbidden == " on";
            let found = if is_handler {
                PAGE.contains(" onclick=") || PAGE.contains(" onload=")
            } else {
                PAGE.contains(forbidden)
            };
            assert!(!found, "the page must not use {forbidden}");
        }
        let hosts: Vec<&str> = PAGE.match_indices("http").map(|(at, _)| &PAGE[at..(at + 26).min(PAGE.len())]).collect();
        assert!(hosts.iter().all(|text| text.starts_with("http://www.w3.org/2000/svg")), "{hosts:?}");
    }
}
